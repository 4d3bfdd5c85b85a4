// A Pico: rp2040js, and what it does not have: a reset of all but RAM and flash, HardFaults, the MPU,
// lock-up, the boot ROM, time that goes with the host's, and a line with a speed.

import { BootRom } from './bootrom.mjs';

export const FLASH_START = 0x10000000;
const FLASH_BYTES = 2 << 20, RAM_START = 0x20000000;
const HARD_FAULT = 3, BREAK_SEMIHOSTING = 0xab, ROM_END = 0x4000;
const AIRCR = 0xd0c, RESET_REQUEST = 0x05fa0004;
const MPU_FIRST = 0xd90, MPU_LAST = 0xda0, MPU_CONTROL = 0xd94, MPU_BASE = 0xd9c, MPU_SIZE = 0xda0;
const SSI = 0x18000, WATCHDOG = 0x40058;
const SLICE = 2000; // instructions between two looks at the host's clock: a tenth of a millisecond
const STALL_MS = 20; // a host that did not let us run for longer did not let the board run either
// A core that works may seem so much slower than it is (we are three to four times slower); from there
// on the board's time goes slower than the host's, or its watchdog would bite a board that is well.
const SLOWER = 8, CYCLE_MS = 1 / 125e3;
const BYTE_MS = 10 / 115.2;

export class Machine {
  /** `kit`: the module rp2040js; `semihosting`: what a breakpoint may ask for. */
  constructor(kit, semihosting) {
    this.kit = kit;
    this.semihosting = semihosting;
    this.flashSize = FLASH_BYTES;
    this.rom = new BootRom(this);
    this.flash = new Uint8Array(16 << 20).fill(0xff);
    this.sram = undefined;
    this.reason = 0; // the watchdog's, of the last reset
    this.input = []; // bytes on the line, on their way to the board
    this.onByte = () => {};
    this.onFlash = () => {}; // flash at this offset has changed
    this.onFailure = (why) => { throw new Error(why); };
    this.halted = false;
  }

  /** Power comes: RAM holds anything. */
  power() {
    this.sram = undefined;
    this.reason = 0;
    this.reset();
  }

  /** The reset button, or the watchdog: everything begins anew but what RAM and flash hold. */
  reset() {
    const mcu = new this.kit.RP2040();
    mcu.flash = this.flash;
    mcu.flash16 = new Uint16Array(this.flash.buffer);
    mcu.flashView = new DataView(this.flash.buffer);
    if (this.sram) {
      mcu.sram.set(this.sram);
    } else {
      let seed = 0x2545f491;
      for (let index = 0; index < mcu.sram.length; index++) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        mcu.sram[index] = seed >>> 24;
      }
    }
    this.mcu = mcu;
    this.sram = mcu.sram;
    this.faulted = false;
    this.asked = undefined; // a reset: the watchdog's reason for it
    this.lockedUp = false;
    this.heldUntil = 0;
    this.input.length = 0;
    this.received = 0; // when, in the board's time
    this.guard = { base: 0, size: 0, on: false };
    this.last = performance.now();
    this.cycles = 0; // of the core, at the last look
    this.semihosting.reset();
    this.listen();
    this.rom.install(mcu.bootrom);
    this.rom.boot(mcu);
  }

  /** The breaches that rp2040js only logs are faults here. */
  listen() {
    const { mcu } = this;
    const fault = (name, text) => {
      if (name === 'RP2040' || name === 'CortexM0Core') {
        this.faulted = true;
        this.why = text;
      }
    };
    mcu.logger = { debug() {}, info() {}, warn: fault, error: fault };
    mcu.onBreak = (code) => this.broke(code);
    mcu.uart[0].onByte = (byte) => this.onByte(byte);
    const watchdog = mcu.peripherals[WATCHDOG];
    watchdog.reason = this.reason;
    watchdog.onWatchdogTrigger = () => {
      this.asked = watchdog.reason;
      watchdog.alarm.enable = false; // it would ring again in the same instant, for ever
    };
    this.extend(mcu.ppb);
    for (const name of ['writeUint32', 'writeUint16', 'writeUint8']) {
      const write = mcu[name].bind(mcu);
      mcu.core[name] = (address, value) => {
        if (this.guard.on && address - this.guard.base >>> 0 < this.guard.size && this.guarded()) {
          this.faulted = true;
          this.why = `the guard at ${address.toString(16)} was written`;
        } else {
          write(address, value);
        }
      };
    }
  }

  /** The MPU is off in the handlers of faults (HFNMIENA is never set here). */
  guarded() {
    return this.mcu.core.IPSR !== HARD_FAULT;
  }

  /** A core's registers that are not modelled: the request of a reset, and one region of the MPU. */
  extend(ppb) {
    const write = ppb.writeUint32.bind(ppb), read = ppb.readUint32.bind(ppb);
    const regions = new Map();
    ppb.readUint32 = (offset) => (offset >= MPU_FIRST && offset <= MPU_LAST
      ? regions.get(offset) ?? 0 : read(offset));
    ppb.writeUint32 = (offset, value) => {
      if (offset === AIRCR && value >>> 0 === RESET_REQUEST) {
        this.asked = this.reason;
      } else if (offset >= MPU_FIRST && offset <= MPU_LAST) {
        regions.set(offset, value >>> 0);
        this.guard = guardOf(regions);
      } else {
        write(offset, value);
      }
    };
  }

  /** A breakpoint instruction, or one that is undefined. */
  broke(code) {
    const { core } = this.mcu;
    const at = core.PC - 2;
    if (at < ROM_END) {
      this.rom.call(code, core, this.mcu);
    } else if (code !== BREAK_SEMIHOSTING || !this.semihosting.call(core, this.mcu)) {
      this.faulted = true;
      this.why = `instruction at ${at.toString(16)}`;
    }
  }

  /** What a real chip would do is anyone's guess. */
  fail(why) {
    this.onFailure(`the image breaks a rule of the chip: ${why}`);
  }

  /** The core stands still for so long: flash is busy, and it waits. */
  hold(milliseconds) {
    this.heldUntil = this.mcu.clock.nanos + milliseconds * 1e6;
  }

  get idle() {
    return this.mcu.core.waiting || this.lockedUp || this.mcu.clock.nanos < this.heldUntil;
  }

  /** Milliseconds until something happens by itself, for a core that waits. */
  get restMs() {
    const { clock } = this.mcu;
    const next = [clock.nextAlarm ? clock.nanosToNextAlarm : 1e9, this.heldUntil - clock.nanos];
    const wait = Math.min(...next.filter((nanos) => nanos > 0), 1e9) / 1e6;
    return Math.min(wait, this.input.length ? BYTE_MS : STALL_MS / 2);
  }

  /** Go on for about so many milliseconds of the host's, or until the core waits. */
  run(budgetMs) {
    const ends = performance.now() + budgetMs;
    do {
      this.tick();
      if (this.asked !== undefined) {
        this.reason = this.asked;
        this.reset();
      }
      if (this.idle) {
        return;
      }
      this.execute(SLICE);
    } while (performance.now() < ends);
  }

  /** The board's time follows the host's. */
  tick() {
    const now = performance.now();
    const { core } = this.mcu;
    const worked = this.idle ? STALL_MS : (core.cycles - this.cycles) * CYCLE_MS * SLOWER;
    const passed = Math.min(now - this.last, worked, STALL_MS);
    this.last = now;
    this.cycles = core.cycles;
    this.feed();
    this.mcu.clock.tick(passed * 1e6);
  }

  /** Bytes come no faster than the line carries them. One that finds no room while the core stands still
   * for its flash is lost; for one that is only slow here, the line waits. */
  feed() {
    const { mcu } = this;
    const now = mcu.clock.nanos / 1e6;
    if (this.received + STALL_MS < now) {
      this.received = now;
    }
    const uart = mcu.uart[0], held = mcu.clock.nanos < this.heldUntil;
    while (this.input.length && this.received <= now && (held || !uart.rxFIFO.full)) {
      const byte = this.input.shift();
      this.received += BYTE_MS;
      if (uart.enabled && !uart.rxFIFO.full) {
        uart.feedByte(byte);
      }
    }
  }

  execute(count) {
    const { core } = this.mcu;
    for (let number = 0; number < count; number++) {
      const at = core.registers[15];
      core.executeInstruction();
      if (this.faulted) {
        this.fault(at);
      }
      if (core.waiting || this.asked !== undefined || this.lockedUp || this.heldUntil) {
        if (this.idle || this.asked !== undefined) {
          return;
        }
        this.heldUntil = 0;
      }
    }
  }

  /** A HardFault by the instruction at `at`; a fault within one, or on the way there, is the end. */
  fault(at) {
    const { core } = this.mcu;
    const before = core.IPSR;
    this.faulted = false;
    if (before === HARD_FAULT) {
      this.lockedUp = true;
      return;
    }
    core.PC = at;
    core.waiting = false;
    core.exceptionEntry(HARD_FAULT);
    this.lockedUp = this.faulted; // the registers found no place on the stack
    this.faulted = false;
  }
}

/** The bytes that nobody may write, of the MPU's registers: the parts of one region that are on. */
function guardOf(regions) {
  const size = regions.get(MPU_SIZE) ?? 0, base = regions.get(MPU_BASE) ?? 0;
  const on = (regions.get(MPU_CONTROL) ?? 0) % 2 === 1 && size % 2 === 1 && !(size & 0x07000000);
  const bytes = 2 ** (((size >>> 1) & 31) + 1);
  const parts = 8 - [...Array(8).keys()].filter((part) => size & (1 << (8 + part))).length;
  return { base: base & ~31, size: (bytes / 8) * parts, on };
}

/** Whether the second stage has set flash up for reading, as the data sheet has it. */
export function flashReads(mcu) {
  const ssi = mcu.peripherals[SSI];
  return ssi.ssienr === 1 && ssi.spictlr0 >>> 24 === 0x03 && ((ssi.spictlr0 >>> 2) & 15) === 6;
}

export { RAM_START };
