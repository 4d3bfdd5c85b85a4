// UF2 files as the RP2040's boot ROM takes them: whole, for this chip, into flash that exists.

import { readFileSync } from 'node:fs';

const BLOCK = 512, PAYLOAD = 256, SECTOR = 4096;
const MAGIC = 0x0a324655, MAGIC_2 = 0x9e5d5157, MAGIC_END = 0x0ab16f30;
const FAMILY_GIVEN = 0x2000, RP2040 = 0xe48bff56;

/** Write a file's blocks into `flash` (from 0x10000000 on); an Error says what is wrong with it. */
export function loadUf2(path, flash, flashStart, flashSize) {
  const file = readFileSync(path);
  const count = file.length / BLOCK;
  if (!Number.isInteger(count) || count === 0) {
    throw new Error(`${path}: no UF2 file: ${file.length} bytes`);
  }
  for (let number = 0; number < count; number++) {
    const block = file.subarray(number * BLOCK, (number + 1) * BLOCK);
    const word = (index) => block.readUInt32LE(4 * index);
    const wrong = (what) => new Error(`${path}: block ${number}: ${what}`);
    if (word(0) !== MAGIC || word(1) !== MAGIC_2 || block.readUInt32LE(BLOCK - 4) !== MAGIC_END) {
      throw wrong('no UF2 block');
    }
    if (!(word(2) & FAMILY_GIVEN) || word(7) !== RP2040) {
      throw wrong('not for the RP2040');
    }
    if (word(4) !== PAYLOAD || word(5) !== number || word(6) !== count) {
      throw wrong('the boot ROM would not take it');
    }
    const at = word(3) - flashStart;
    if (at < 0 || at + PAYLOAD > flashSize || at % PAYLOAD) {
      throw wrong(`no flash at ${word(3).toString(16)}`);
    }
    // It erases by the number of the block, not by its address: the first of sixteen.
    if (number % (SECTOR / PAYLOAD) === 0) {
      flash.fill(0xff, at & ~(SECTOR - 1), (at & ~(SECTOR - 1)) + SECTOR);
    }
    for (let index = 0; index < PAYLOAD; index++) {
      flash[at + index] &= block[32 + index];
    }
  }
}
