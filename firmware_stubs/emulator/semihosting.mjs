// The calls of ARM's semihosting that samples_semihosting.c makes: which file, open it, read it.

import { openSync, readSync } from 'node:fs';

const OPEN = 0x01, READ = 0x06, GET_COMMAND_LINE = 0x15, RAM_START = 0x20000000;

export class Semihosting {
  /** `path`: the file that an image may read; undefined: none. */
  constructor(path) {
    this.path = path;
    this.file = undefined;
  }

  reset() {
    this.position = 0;
  }

  /** Carry out the call in r0; whether there is one. */
  call(core, mcu) {
    if (this.path === undefined) {
      return false;
    }
    const [operation, block] = core.registers;
    const word = (index) => mcu.readUint32(block + 4 * index);
    if (operation === GET_COMMAND_LINE) {
      const text = Buffer.from(`${this.path}\0`);
      core.registers[0] = text.length <= word(1) ? 0 : 0xffffffff;
      if (text.length <= word(1)) {
        mcu.sram.set(text, word(0) - RAM_START);
      }
    } else if (operation === OPEN) {
      this.file ??= openSync(this.path, 'r');
      this.position = 0;
      core.registers[0] = 3;
    } else if (operation === READ && this.file !== undefined) {
      const [start, size] = [word(1) - RAM_START, word(2)];
      const found = readSync(this.file, mcu.sram, start, size, this.position);
      this.position += found;
      core.registers[0] = size - found; // what is missing
    } else {
      return false;
    }
    return true;
  }
}
