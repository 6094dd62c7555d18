// Sends one message over SMTP with nothing but node:net.
import net from 'node:net';

const broken = process.env.APP_BREAK ?? '';

class Refused extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

// Replies of the server, one promise each.
function openReplies(socket) {
  const waiting = [];
  const replies = [];
  let text = '';
  let ended = null;

  const settle = () => {
    while (waiting.length && (replies.length || ended)) {
      const { resolve, reject } = waiting.shift();
      if (replies.length) resolve(replies.shift());
      else reject(ended);
    }
  };
  socket.setEncoding('latin1');
  socket.on('data', (data) => {
    text += data;
    let match;
    while ((match = /^(?:\d{3}-.*\r\n)*(\d{3})(?: .*)?\r\n/.exec(text))) {
      replies.push({ code: Number(match[1]), text: match[0].trimEnd() });
      text = text.slice(match[0].length);
    }
    settle();
  });
  const end = (error) => {
    ended ??= error ?? new Refused(421, 'the connection ended');
    settle();
  };
  socket.on('error', (error) => end(new Refused(421, error.message)));
  socket.on('close', () => end());
  return () => new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    settle();
  });
}

function stuff(text) {
  return broken === 'dots' ? text : text.replace(/^\./gm, '..');
}

export async function send({ host, port, from, to, message }) {
  const socket = net.connect({ host, port });
  const next = openReplies(socket);
  const expect = async (wanted, line) => {
    if (line !== undefined) socket.write(`${line}\r\n`);
    const reply = await next();
    if (Math.floor(reply.code / 100) !== wanted) throw new Refused(reply.code, reply.text);
  };
  try {
    await expect(2);
    await expect(2, 'EHLO app.example');
    await expect(2, `MAIL FROM:<${from}>`);
    await expect(2, `RCPT TO:<${to}>`);
    await expect(3, 'DATA');
    await expect(2, `${stuff(message)}.`);
    await expect(2, 'QUIT');
  } finally {
    socket.destroy();
  }
}
