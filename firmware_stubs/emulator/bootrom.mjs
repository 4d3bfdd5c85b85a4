// What an image sees of the RP2040's boot ROM: it checks and runs the second stage, and it has the
// functions that change flash. The ROM itself is not there; its functions are breakpoints of ours,
// and they insist on the order in which the data sheet (chapter 2.8.3) wants them called.

const SEALED = 256, CODE = 252, STAGE_AT = 0x20041f00, STACK_TOP = 0x20042000;
const TABLE_AT = 0x100, STUBS_AT = 0x200, RAM_START = 0x20000000;
const FUNCTIONS = ['IF', 'EX', 'RE', 'RP', 'FC', 'CX'];
const SECTOR = 4096, PAGE = 256;
// Of a W25Q16JV, the Pico's flash: typical times in milliseconds.
const ERASE_MS = 45, PROGRAM_MS = 0.4;

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value = (value ^ (byte << 24)) >>> 0;
    for (let bit = 0; bit < 8; bit++) {
      value = ((value << 1) ^ (value & 0x80000000 ? 0x04c11db7 : 0)) >>> 0;
    }
  }
  return value;
}

export class BootRom {
  /** `machine.fail(why)` is called where an image breaks the rules. */
  constructor(machine) {
    this.machine = machine;
    this.connected = false;
    this.readable = true; // flash, in the address space
  }

  /** Lay the table of functions where images look for it. */
  install(rom) {
    const halves = new Uint16Array(rom.buffer);
    rom.fill(0);
    halves[0x10 / 2] = 0x754d; // "Mu"
    halves[0x12 / 2] = 0x0301;
    halves[0x14 / 2] = TABLE_AT;
    FUNCTIONS.forEach((name, index) => {
      halves[TABLE_AT / 2 + 2 * index] = name.charCodeAt(0) | (name.charCodeAt(1) << 8);
      halves[TABLE_AT / 2 + 2 * index + 1] = (STUBS_AT + 4 * index) | 1;
      halves[STUBS_AT / 2 + 2 * index] = 0xbe00 | index; // bkpt
      halves[STUBS_AT / 2 + 2 * index + 1] = 0x4770; // bx lr
    });
  }

  /** As after a reset: an Error where the ROM would not start what is on flash. */
  boot(mcu) {
    const stage = mcu.flash.subarray(0, SEALED);
    const kept = mcu.flashView.getUint32(CODE, true);
    if (crc(stage.subarray(0, CODE)) !== kept) {
      throw new Error('the CRC of the second stage is wrong: the chip would wait for a UF2 file');
    }
    this.connected = false;
    this.readable = true;
    mcu.sram.set(stage, STAGE_AT - RAM_START);
    mcu.core.SP = STACK_TOP;
    mcu.core.LR = 0;
    mcu.core.PC = STAGE_AT;
  }

  /** A function was called: its number, and the core with its arguments. */
  call(number, core, mcu) {
    const name = FUNCTIONS[number];
    const [at, second] = core.registers;
    if (!core.PM || core.LR < RAM_START) {
      return this.machine.fail(`${name} called ${core.PM ? 'from flash' : 'with interrupts on'}`);
    }
    if (name === 'IF') {
      this.connected = true;
    } else if (name === 'EX' && this.connected) {
      this.readable = false;
    } else if (name === 'RE' && !this.readable) {
      this.erase(mcu, at, second);
    } else if (name === 'RP' && !this.readable) {
      this.program(mcu, at, second, core.registers[2]);
    } else if (name === 'CX' && !this.connected) {
      this.readable = true;
    } else if (name === 'FC') {
      this.connected = false;
    } else {
      this.machine.fail(`${name} called out of order`);
    }
  }

  erase(mcu, at, size) {
    if (at % SECTOR || size % SECTOR || at + size > this.machine.flashSize) {
      return this.machine.fail(`erase of ${size} bytes at ${at}`);
    }
    mcu.flash.fill(0xff, at, at + size);
    this.machine.onFlash(at);
    this.machine.hold((ERASE_MS * size) / SECTOR);
  }

  program(mcu, at, from, size) {
    if (at % PAGE || size % PAGE || at + size > this.machine.flashSize || from < RAM_START) {
      return this.machine.fail(`programming of ${size} bytes at ${at} from ${from.toString(16)}`);
    }
    for (let index = 0; index < size; index++) {
      mcu.flash[at + index] &= mcu.sram[from - RAM_START + index];
    }
    this.machine.onFlash(at);
    this.machine.hold((PROGRAM_MS * size) / PAGE);
  }
}
