/** How many inputs each fuzz test tries. NODE_KVM_FUZZ_RUNS asks for more. */
export const FUZZ_RUNS = Number(process.env['NODE_KVM_FUZZ_RUNS'] ?? 200)
