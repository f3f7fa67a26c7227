import { Kvm } from 'node-kvm'

const kvm = Kvm.open()
console.log(`import: API version ${kvm.apiVersion}`)
kvm.close()
