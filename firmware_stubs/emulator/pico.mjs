// A Raspberry Pi Pico on this machine, by rp2040js (had by ../rp2040js.py), with QEMU's words:
//
//     node pico.mjs -kernel IMAGE.uf2 -serial stdio
//     node pico.mjs -kernel IMAGE.uf2 -chardev socket,id=line,path=PATH[,server=on,wait=off]
//       -serial chardev:line -qmp unix:PATH -device loader,file=BLOCK,addr=0x101ef000
//       -semihosting-config arg=SAMPLES -gdb unix:PATH
//
// A board keeps the receipts of its build on the last sector of flash, and takes 25 seconds to make them
// here. The sector outlives us in a file beside the image, and a later board with this image begins
// with it; `-kept none` for one that never ran.
//
// An image.elf stands for the image.uf2 beside it, as the boot ROM takes it. Words that a Pico has no
// use for (-display, -monitor, -nic) are passed over.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { FLASH_START, Machine } from './machine.mjs';
import { debuggerPort, listen, monitor } from './monitor.mjs';
import { Semihosting } from './semihosting.mjs';
import { loadUf2 } from './uf2.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const KIT = process.env.ATOLL_RP2040JS ?? join(HERE, '../../build/rp2040js/rp2040js-1.4.1');
const KEPT_BYTES = 4096;
const TURN_MS = 5; // between two looks at the sockets

function fail(why) {
  process.stderr.write(`pico: ${why}\n`);
  process.exit(1);
}

/** `a,b=c` as {a: true, b: 'c'}. */
function fields(text) {
  return Object.fromEntries(text.split(',').map((part) => {
    const at = part.indexOf('=');
    return at < 0 ? [part, true] : [part.slice(0, at), part.slice(at + 1)];
  }));
}

function options(words) {
  const found = { devices: [] };
  for (let index = 0; index < words.length; index += 2) {
    const [name, value] = [words[index], words[index + 1]];
    if (!name.startsWith('-') || value === undefined) {
      fail(`${name}: an option and its value are wanted`);
    } else if (name === '-device') {
      found.devices.push(fields(value));
    } else {
      found[name.slice(1)] = value;
    }
  }
  return found;
}

/** The image, and the blocks beside it, into flash. */
function load(machine, given) {
  if (!given.kernel) {
    fail('-kernel: which image?');
  }
  loadUf2(given.kernel.replace(/\.elf$/, '.uf2'), machine.flash, FLASH_START, machine.flashSize);
  for (const { file, addr } of given.devices.filter((device) => device.loader)) {
    const [bytes, at] = [readFileSync(file), Number(addr) - FLASH_START];
    if (!(at >= 0 && at + bytes.length <= machine.flashSize)) {
      fail(`${file}: no flash at ${addr}`);
    }
    machine.flash.set(bytes, at);
  }
}

/** The last sector of flash from the file of an earlier board, and into it when it changes. */
function keep(machine, given) {
  const path = given.kernel.replace(/\.(elf|uf2)$/, '.kept');
  const [start, end] = [machine.flashSize - KEPT_BYTES, machine.flashSize];
  if (given.kept === 'none') {
    return;
  }
  if (existsSync(path)) {
    machine.flash.set(readFileSync(path).subarray(0, KEPT_BYTES), start);
  }
  machine.onFlash = (at) => {
    if (at >= start) {
      const fresh = `${path}.${process.pid}`;
      writeFileSync(fresh, machine.flash.subarray(start, end));
      renameSync(fresh, path);
    }
  };
}

/** The board and its time: turns of a few milliseconds while it works, none while it waits. */
class Board {
  constructor(machine) {
    this.machine = machine;
    this.running = false;
    this.timer = undefined;
    this.sent = [];
    this.peer = undefined; // a stream, for what the board sends
    machine.onByte = (byte) => this.sent.push(byte);
    machine.onFailure = fail;
  }

  go() {
    this.running = true;
    this.machine.last = performance.now();
    this.wake();
  }

  stop() {
    this.running = false;
  }

  /** Something has come: look at once. */
  wake() {
    clearTimeout(this.timer);
    clearImmediate(this.soon);
    this.soon = setImmediate(() => this.turn());
  }

  turn() {
    if (!this.running) {
      return;
    }
    this.machine.run(TURN_MS);
    if (this.sent.length) {
      this.peer?.write(Buffer.from(this.sent));
      this.sent.length = 0;
    }
    if (this.machine.idle && this.machine.asked === undefined) {
      this.timer = setTimeout(() => this.turn(), this.machine.restMs);
    } else {
      this.soon = setImmediate(() => this.turn());
    }
  }

  /** A line to somebody; without one what is sent is lost. */
  connect(stream) {
    this.peer = stream;
    stream.on('data', (data) => { this.machine.input.push(...data); this.wake(); });
    stream.on('error', () => {});
    stream.on('close', () => { this.peer = this.peer === stream ? undefined : this.peer; });
  }
}

async function openLine(board, given) {
  const serial = given.serial ?? 'null';
  if (serial === 'stdio') {
    board.connect(process.stdin);
    board.peer = process.stdout;
    process.stdout.on('error', () => process.exit(0)); // nobody listens any more
  } else if (serial.startsWith('chardev:')) {
    const { path, server } = fields(given.chardev ?? '');
    if (!path) {
      fail('-chardev: socket,id=...,path=... is wanted');
    } else if (server === 'on') {
      await listen(path, (stream) => board.connect(stream));
    } else {
      board.connect(createConnection(path));
    }
  }
}

async function main() {
  const given = options(process.argv.slice(2));
  const entry = join(KIT, 'dist/esm/index.js');
  if (!existsSync(entry)) {
    fail(`rp2040js is not there: python ${join(HERE, '../rp2040js.py')} build/rp2040js`);
  }
  const kit = await import(pathToFileURL(entry));
  const path = given['semihosting-config'] && fields(given['semihosting-config']).arg;
  const machine = new Machine(kit, new Semihosting(path));
  const unix = (text) => text.split(',')[0].replace(/^unix:/, '');
  load(machine, given);
  keep(machine, given);
  machine.power();
  const board = new Board(machine);
  // Who hears of the board on its line finds the other two there.
  if (given.qmp) {
    await monitor(unix(given.qmp), board);
  }
  if (given.gdb) {
    await debuggerPort(unix(given.gdb), board);
  }
  await openLine(board, given);
  board.go();
}

main().catch((error) => fail(error.message));
