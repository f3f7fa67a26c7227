// What Node's own modules cannot do with a file of the host: locks that belong to the open file, its room, and
// reading what is in memory without a thread that would wait.
#pragma once

#include <napi.h>

namespace node_kvm {

// lockFile(fd, exclusive?): without `exclusive` gives the lock back; otherwise takes a lock on all of the file, against whoever has opened it otherwise (F_OFD_SETLK). It goes with
// the last descriptor of this opening. 0, or -errno: -EAGAIN where somebody has one already.
Napi::Value LockFile(const Napi::CallbackInfo& info);

// allocateFile(fd, mode, offset, length): fallocate(2), on a thread of the pool. A promise of 0, or of -errno.
Napi::Value AllocateFile(const Napi::CallbackInfo& info);

// readCached(fd, offset, ...pieces): preadv2(2) of what is there without waiting for a device. How many bytes, or -errno: -EAGAIN where
// none are.
Napi::Value ReadCached(const Napi::CallbackInfo& info);

}  // namespace node_kvm
