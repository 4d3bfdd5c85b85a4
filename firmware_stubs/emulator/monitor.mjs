// The orders of QEMU's machine protocol (QMP) that our tools give: reset, stop, cont, memory to a file.

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

const RAM_START = 0x20000000;

/** A promise that is kept when somebody may connect. */
export function listen(path, serve) {
  return new Promise((resolve, reject) => {
    createServer(serve).on('error', reject).listen(path, resolve);
  });
}

/** Listen on a socket; `board` has `machine`, `stop()` and `go()`. */
export function monitor(path, board) {
  const orders = {
    qmp_capabilities: () => {},
    system_reset: () => { board.machine.reset(); board.go(); },
    stop: () => board.stop(),
    cont: () => board.go(),
    memsave: ({ val, size, filename }) => {
      const { sram } = board.machine.mcu;
      const at = val - RAM_START;
      if (at < 0 || at + size > sram.length) {
        throw new Error(`no RAM at ${val.toString(16)}`);
      }
      writeFileSync(filename, sram.subarray(at, at + size));
    },
  };
  orders.pmemsave = orders.memsave;

  function answer(line) {
    let id; // comes back with the answer, where there was one
    try {
      const order = JSON.parse(line);
      const { execute, arguments: words } = order;
      id = order.id;
      if (!(execute in orders)) {
        throw new Error(`no order ${execute}`);
      }
      orders[execute](words ?? {});
      return { return: {}, id };
    } catch (error) {
      return { error: { class: 'GenericError', desc: error.message }, id };
    }
  }

  return listen(path, (socket) => {
    let text = '';
    socket.on('error', () => {});
    socket.write(`${JSON.stringify({ QMP: { version: { package: 'atoll' }, capabilities: [] } })}\n`);
    socket.on('data', (data) => {
      const lines = (text + data).split('\n');
      text = lines.pop();
      for (const line of lines.filter((each) => each.trim())) {
        socket.write(`${JSON.stringify(answer(line))}\n`);
      }
    });
  });
}

/** The three packets of gdb's protocol that a test sends: stop, let PC be something, go on. */
export function debuggerPort(path, board) {
  const packet = (text) => {
    const sum = [...Buffer.from(text)].reduce((total, byte) => total + byte, 0) % 256;
    return `+$${text}#${sum.toString(16).padStart(2, '0')}`;
  };
  return listen(path, (socket) => {
    board.stop();
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      text += data;
      for (let found; (found = /\$([^#]*)#../.exec(text)); text = text.slice(found.index + found[0].length)) {
        const [, command] = found;
        if (command.startsWith('qXfer')) {
          socket.write(packet('l<target/>'));
        } else if (command.startsWith('Pf=')) {
          const { core } = board.machine.mcu;
          core.PC = Buffer.from(command.slice(3), 'hex').readUInt32LE();
          core.waiting = false;
          socket.write(packet('OK'));
        } else if (command === 'D') {
          board.go();
          socket.write(packet('OK'));
        } else {
          socket.write(packet(''));
        }
      }
    });
  });
}
