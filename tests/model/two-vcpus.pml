/* Two vCPUs that want one JavaScript thread. */
#define VCPUS 2
#define EXITS 1
#define POSTS 1
#define RING 2
#define OUTSIDE false
#define COMPLETIONS 0
#include "rendezvous.promela"
