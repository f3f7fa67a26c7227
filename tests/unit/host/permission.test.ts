import { expect, test } from 'vitest'
import { explainPermission, type Permission } from '../../../lib/host/permission.js'

/** A user without rights before the device as most distributions have it. */
const usual: Permission = {
  path: '/dev/kvm',
  root: false,
  container: false,
  ci: false,
  user: 'ada',
  groups: [1000],
  file: { mode: 0o20660, gid: 106 },
  group: { name: 'kvm', members: [] },
}

test.each<[string, Partial<Permission>, RegExp]>([
  ['a user outside the group joins it', {}, /join its group \(.*usermod -aG kvm ada.*log in again\) or run as root$/],
  [
    'a session that is older than its membership logs in again',
    { group: { name: 'kvm', members: ['bob', 'ada'] } },
    /^ada is in its group kvm, but this session is older than that; log in again, or begin with: sg kvm -c 'COMMAND'$/,
  ],
  ['a device for root alone', { file: { mode: 0o20600, gid: 106 } }, /^only root may open it \(mode 0600, group kvm\)/],
  [
    "a device of root's own group",
    { file: { mode: 0o20660, gid: 0 }, group: { name: 'root', members: [] } },
    /^only root may open it \(mode 0660, group root\).*chmod 666 \/dev\/kvm/,
  ],
  ['a group without a name, as in a container', { group: undefined }, /its group 106 has no name.*--group-add 106/],
  ['a CI runner lets its user in by a step', { ci: true }, /CI runner.*step before this one: .*chmod 666 \/dev\/kvm/],
  ['root in a container gets the device passed in', { root: true, container: true }, /--device \/dev\/kvm/],
  ['root elsewhere', { root: true }, /^not even root may/],
])('%s', (_name, facts, advice) => {
  expect(explainPermission({ ...usual, ...facts })).toMatch(advice)
})

test('a member of the group is not told to log in again', () => {
  const member = { ...usual, groups: [1000, 106], group: { name: 'kvm', members: ['ada'] } }
  expect(explainPermission(member)).not.toMatch(/older/)
})
