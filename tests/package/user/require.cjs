const { Kvm } = require('node-kvm')

const kvm = Kvm.open()
console.log(`require: API version ${kvm.apiVersion}`)
kvm.close()
