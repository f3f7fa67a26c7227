/*
 * The order of posted writes among the vCPUs of one VM, as Hub::Offer() of native/hub.cc keeps it: two vCPU threads that
 * post and exit, and the JavaScript thread. A write is posted by its vCPU's thread, or gathered by the kernel, for whichever
 * thread takes it (native/coalesced_writes.h). scripts/model.mjs explores every interleaving. What it checks: when a
 * write or an exit is handed to JavaScript, every write that its vCPU could know of has been, the other vCPU's as well as
 * its own.
 *
 * Every access to a shared word is one step of its own.
 */

#define POSTS 2 /* of the first vCPU, and one of the second; each exits once, at any point */
#define NONE 255
#define WRITE(vcpu, number) ((vcpu) * POSTS + (number))
#define BIT(write) (1 << (write))

/* The kernel's ring, and the lock under which it is taken from. */
chan kernel = [2 * POSTS] of { byte };
bool locked;
bool looked_for; /* CoalescedWrites::active() */
bool registered; /* The kernel gathers. It begins before the call that asks for it returns. */

/* The threads' rings: each has room for all writes. */
#define ENTRY(vcpu, index) ((vcpu) * 2 * POSTS + (index))
byte ring[2 * 2 * POSTS];
byte stamps;
byte stamp_of[2 * POSTS];
byte head[2];
byte tail[2];
bool pending[2];

/* Guest memory: the writes that have been done. Whoever reads it knows of them. */
byte done_writes;
byte known_by_write[2 * POSTS];
byte known_by_exit[2];
byte delivered;
byte running = 2;

inline append(write) {
  atomic { stamp_of[write] = stamps; stamps++ }
  ring[ENTRY(me, head[me])] = write;
  head[me]++
}

inline take() {
  if
  :: !looked_for
  :: else ->
     atomic { !locked -> locked = true }
     do
     :: kernel?<taken> -> append(taken); kernel?taken
     :: empty(kernel) -> break
     od;
     locked = false
  fi
}

inline turn_on() {
  atomic { !locked -> locked = true }
  looked_for = true;
  registered = true;
  locked = false
}

proctype Vcpu(byte me; byte posts) {
  byte posted = 0;
  byte taken;
  bool exited = false;

  do
  :: posted < posts ->
     known_by_write[WRITE(me, posted)] = done_writes;
     if
     :: take();
        append(WRITE(me, posted))
     :: registered -> kernel!WRITE(me, posted)
     fi;
     /* The guest runs on, and tells. */
     atomic { done_writes = done_writes | BIT(WRITE(me, posted)); posted++ }
  :: !exited ->
     known_by_exit[me] = done_writes;
     take();
     pending[me] = true;
     !pending[me];
     exited = true
  :: !registered && !locked -> turn_on()
  :: nempty(kernel) -> take() /* JavaScript made it come out. */
  :: posted == posts && exited && empty(kernel) && !locked -> break
  od;
  running--
}

proctype JavaScript() {
  byte due[2];
  byte index, other, first, limit, oldest, next, count, write;
  bool exit;
  due[0] = NONE;
  due[1] = NONE;

end:
  do
  :: index = 0; goto look
  :: index = 1; goto look
  :: running == 0 && head[0] == tail[0] && head[1] == tail[1] -> break
  od;
  goto over;

look:
  if
  :: pending[index] || head[index] != tail[index]
  :: else -> goto end
  fi;
  exit = pending[index];
  if
  :: due[index] != NONE -> limit = due[index]
  :: else -> limit = stamps
  fi;
  if :: exit -> due[index] = limit :: else fi;

  first = index;
  oldest = limit;
  next = limit;
  other = 0;
  do
  :: other < 2 ->
     if
     :: head[other] != tail[other] ->
        write = ring[ENTRY(other, tail[other])];
        if
        :: stamp_of[write] < oldest -> next = oldest; oldest = stamp_of[write]; first = other
        :: else -> if :: stamp_of[write] < next -> next = stamp_of[write] :: else fi
        fi
     :: else
     fi;
     other++
  :: else -> break
  od;

  count = head[first] - tail[first];
  exit = exit && first == index && next == limit;
  do
  :: oldest < limit && count > 0 && stamp_of[ring[ENTRY(first, tail[first])]] < next ->
     atomic {
       write = ring[ENTRY(first, tail[first])];
       assert((known_by_write[write] & ~delivered) == 0);
       delivered = delivered | BIT(write);
       tail[first]++;
       count--
     }
  :: else -> break
  od;
  if
  :: exit ->
     atomic {
       assert((known_by_exit[index] & ~delivered) == 0);
       assert(head[index] == tail[index]);
       due[index] = NONE;
       pending[index] = false
     }
  :: else
  fi;
  goto end;
over:
  skip
}

init { atomic { run Vcpu(0, POSTS); run Vcpu(1, 1); run JavaScript() } }
