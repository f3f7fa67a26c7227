// What the addon and GCC's C++ library use of a glibc newer than the one that the prebuilt addons are linked for.
#define _GNU_SOURCE
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

// glibc 2.30
pid_t gettid(void) { return (pid_t)syscall(SYS_gettid); }

// glibc 2.32. The C++ library spares atomic operations where it is true; node always has several threads.
char __libc_single_threaded = 0;

// glibc 2.33. Before, it was a function of another name, with a version number; with 64 bits the kernel's layout is the library's.
int fstat64(int fd, struct stat64* facts) { return (int)syscall(SYS_fstat, fd, facts); }
