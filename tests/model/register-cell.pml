/*
 * A cell of the register page while a vCPU thread reads it (native/register_page.cc) and JavaScript changes it
 * (lib/kvm/page-cell.ts, register-page.ts). scripts/model.mjs explores every interleaving. What it checks:
 *  - a counter's value and epoch are of one start;
 *  - an answer comes from the register that the address belonged to, although its cell is given to another register.
 *
 * Every access to a shared word is one step of its own.
 */

#define STARTS 3
#define TRIES 3

/* The counter: value and epoch of start number n are both n. */
byte sequence;
byte value[2];
byte epoch[2];

/* The table: whose the address is, under a lock, and its version. The cell: whose register it answers for; 0: it exits. */
#define OLD 1
#define NEW 2
byte version;
byte address_is = OLD;
byte cell_is = OLD;
bool locked;

active proctype javascript_counter() {
  byte start = 1;
  do
  :: start <= STARTS ->
    value[start % 2] = start;
    epoch[start % 2] = start;
    sequence = start;
    start++
  :: else -> break
  od
}

active proctype thread_counter() {
  byte seen, found_value, found_epoch, tries;
  do
  :: tries == TRIES -> break /* it exits */
  :: else ->
    tries++;
    seen = sequence;
    found_value = value[seen % 2];
    found_epoch = epoch[seen % 2];
    if
    :: sequence == seen ->
      assert(found_value == found_epoch);
      break
    :: else
    fi
  od
}

/* The old register is closed; its cell is another one's from then on, at another address. */
active proctype javascript_table() {
  atomic { !locked -> locked = true };
  address_is = NEW;
  version++;
  locked = false;
  cell_is = 0;
  cell_is = NEW
}

/* Reads at the address, which was the old register's and is nobody's afterwards. */
active proctype thread_read() {
  byte seen, owner, answer;
  do
  :: true ->
    /* Refresh() */
    atomic { !locked -> locked = true };
    owner = address_is;
    seen = version;
    locked = false;
    if
    :: owner == NEW -> break /* it exits */
    :: else
    fi;
    answer = cell_is;
    if
    :: version == seen ->
      assert(answer == owner);
      break
    :: else
    fi
  od
}
