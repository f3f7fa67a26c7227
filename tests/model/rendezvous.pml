/*
 * The rendezvous of native/rendezvous.h as a model: two vCPU threads, one JavaScript thread with its event loop.
 * scripts/model.mjs explores every interleaving. What it checks:
 *
 *   - no lost wake-up: no state in which nobody can go on although a vCPU waits for an answer (an invalid end state);
 *   - no double answer: JavaScript answers a turn only while it has it, each exit exactly once;
 *   - nobody runs a guest while JavaScript handles its exit;
 *   - posted writes that are in a ring are delivered in the end, without any other exit;
 *   - Stop() ends a thread wherever it is.
 *
 * Every access to a shared word is one step of its own; compare-and-swap and exchange are atomic.
 */

#define VCPUS 2
/* The first vCPU, which may be closed, exits once; the second twice; then their guests halt for good. */
#define EXITS(vcpu) (1 + (vcpu))
#define POSTS 1 /* each vCPU's */

/* Turn */
#define GUEST 0
#define EXIT 1
#define EXIT_ASLEEP 2
#define STOP 4

/* Attention */
#define LOOKING 0
#define ASLEEP 1
#define NOTIFIED 2

byte turn[VCPUS];
byte attention = ASLEEP;
bool notify_posts = true;
byte ring[VCPUS];
bool stop[VCPUS];
bool in_futex[VCPUS];
bool ended[VCPUS];
bool interrupted[VCPUS];

/* The event loop's queue: a notification (they coalesce), setImmediate, and the millisecond timer. */
bool notified;
bool scheduled;
bool timer;

/* What only the checks look at. */
byte posted_exits[VCPUS];
byte answered_exits[VCPUS];
bool guest_runs[VCPUS];

inline must_notify(won) {
  won = false;
  if
  :: attention == ASLEEP ->
     atomic {
       if
       :: attention == ASLEEP -> attention = NOTIFIED; won = true
       :: else
       fi
     }
  :: else
  fi
}

proctype Vcpu(byte me) {
  byte exits_left = EXITS(me);
  byte posts_left = POSTS;
  byte seen;
  bool won;

guest:
  guest_runs[me] = true;
end_guest:
  do
  :: posts_left > 0 ->
     posts_left--;
     ring[me]++;
     if
     :: notify_posts -> must_notify(won); if :: won -> notified = true :: else fi
     :: else
     fi
  :: exits_left > 0 -> exits_left--; break
  :: interrupted[me] -> if :: stop[me] -> goto done :: else fi
  od;

  /* GiveTurn() */
  guest_runs[me] = false;
  posted_exits[me]++;
  turn[me] = EXIT;
  if :: stop[me] -> goto done :: else fi;
  must_notify(won);
  if :: won -> notified = true :: else fi;

  /* Turn::Poll(): it may see the answer, or give up at any time. */
  seen = turn[me];
  if
  :: seen != EXIT -> goto answered
  :: seen == EXIT
  fi;

  /* Turn::Sleep() */
  atomic {
    if
    :: turn[me] == EXIT -> turn[me] = EXIT_ASLEEP; seen = EXIT_ASLEEP
    :: else -> seen = turn[me]
    fi
  }
  do
  :: seen == EXIT_ASLEEP ->
     atomic { if :: turn[me] == EXIT_ASLEEP -> in_futex[me] = true :: else fi }
     !in_futex[me];
     seen = turn[me]
  :: else -> break
  od;

answered:
  if
  :: seen == STOP -> goto done
  :: seen == GUEST -> seen = 0; won = false; goto guest
  :: else -> assert(false)
  fi;

done:
  guest_runs[me] = false;
  ended[me] = true
}

/* Turn::Answer() */
inline answer(who, command) {
  atomic { old = turn[who]; turn[who] = command }
  if
  :: old == EXIT_ASLEEP -> in_futex[who] = false
  :: else
  fi;
  old = 0
}

inline answer_exit(who) {
  assert(turn[who] == EXIT || turn[who] == EXIT_ASLEEP);
  assert(!guest_runs[who]);
  answered_exits[who]++;
  assert(answered_exits[who] == posted_exits[who]);
  taken[who] = false;
  answer(who, GUEST)
}

/* Hub::Find(): one look at each seat that is not taken. Posted writes are delivered on the way. */
inline find() {
  found = VCPUS;
  look = 0;
  do
  :: look < VCPUS && found == VCPUS ->
     if
     :: removed[look] || taken[look]
     :: else ->
        seen = turn[look];
        if
        :: ring[look] > 0 -> ring[look] = 0; delivered = true; found = look
        :: else
        fi;
        if
        :: seen == EXIT || seen == EXIT_ASLEEP -> taken[look] = true; found = look; exit_found = true
        :: else
        fi
     fi;
     seen = 0;
     look++
  :: else -> break
  od;
  look = 0
}

/* The handler: it answers at once, or its promise will. */
inline handle() {
  if
  :: exit_found ->
     exit_found = false;
     if
     :: answer_exit(found)
     :: asynchronous[found] = true
     fi
  :: else
  fi;
  found = 0
}

proctype JavaScript() {
  bool taken[VCPUS];
  bool asynchronous[VCPUS];
  bool removed[VCPUS];
  bool delivered;
  bool exit_found;
  byte found;
  byte look;
  byte seen;
  byte old;
  byte stopping;

end_event_loop:
  do
  :: notified -> notified = false; goto slice
  :: scheduled -> scheduled = false; goto slice
  :: timer -> timer = false; goto slice
  :: asynchronous[0] -> asynchronous[0] = false; answer_exit(0)
  :: asynchronous[1] -> asynchronous[1] = false; answer_exit(1)
  /* vcpu.close(), at any moment; the second vCPU is never closed, so that its exits must all be answered. */
  :: !removed[0] -> stopping = 0; goto stop_one
  od;

stop_one:
  stop[stopping] = true;
  interrupted[stopping] = true;
  answer(stopping, STOP);
  ended[stopping];
  asynchronous[stopping] = false;
  removed[stopping] = true;
  ring[stopping] = 0;
  goto end_event_loop;

slice:
  delivered = false;
  attention = LOOKING;

  do
  :: find();
     if
     :: found < VCPUS -> handle()
     :: else ->
        /* Hub::Wait(), polling is over: to sleep, and one more look. */
        notify_posts = !delivered;
        attention = ASLEEP;
        find();
        if
        :: found < VCPUS -> attention = LOOKING; handle()
        :: else -> found = 0; if :: delivered -> timer = true; delivered = false :: else fi; goto end_event_loop
        fi
     fi
  /* The time slice may be over at any turn. */
  :: attention = NOTIFIED; scheduled = true; delivered = false; goto end_event_loop
  od
}

/* When nobody can go on any more, everything must have been said. */
proctype Watcher() {
end:
  timeout;
  assert(ring[0] == 0 && ring[1] == 0);
  assert(ended[0] || answered_exits[0] == EXITS(0));
  assert(answered_exits[1] == EXITS(1) && posted_exits[1] == EXITS(1))
}

init {
  atomic {
    run Vcpu(0);
    run Vcpu(1);
    run JavaScript();
    run Watcher()
  }
}
