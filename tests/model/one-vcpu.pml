/* One vCPU, and all that can be between it and JavaScript. */
#define VCPUS 1
#define EXITS 2
#define POSTS 3
#define RING 2
#define OUTSIDE true
#define COMPLETIONS 2
#include "rendezvous.promela"
