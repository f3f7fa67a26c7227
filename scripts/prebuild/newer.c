// What the addon and GCC's C++ library use of a glibc newer than the one that the prebuilt addons are linked for.
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// glibc 2.30
pid_t gettid(void) { return (pid_t)syscall(SYS_gettid); }

// glibc 2.32. The C++ library spares atomic operations where it is true; node always has several threads.
char __libc_single_threaded = 0;
