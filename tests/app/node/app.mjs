// The same small application as ../python/app.py, and broken by the same APP_BREAK.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from './smtp.mjs';

const broken = process.env.APP_BREAK ?? '';
const sender = 'app@app.example';

function encodeSubject(text) {
  if (broken === 'encoding' || /^[\x20-\x7e]*$/.test(text)) return text;
  return `=?utf-8?B?${Buffer.from(text, 'utf8').toString('base64')}?=`;
}

function makeMessage(user) {
  return [
    `From: ${sender}`,
    `To: ${user.address}`,
    `Message-ID: <${randomBytes(8).toString('hex')}@app.example>`,
    `Subject: ${encodeSubject(`Welcome, ${user.name}!`)}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    `Hello ${user.name},`,
    '',
    'please confirm your address:',
    '',
    `    https://app.example/confirm?token=${user.token}`,
    '',
    'and put this into your page:',
    '',
    '.badge { color: green }',
    '',
  ].join('\r\n');
}

export class App {
  constructor({ host, port, retryAfter = 200, tries = 5 }) {
    Object.assign(this, { host, port, retryAfter, tries, users: new Map() });
  }

  async signUp(name, address) {
    const user = { name, address, token: randomBytes(8).toString('hex'), state: 'new' };
    this.users.set(address, user);
    await this.welcome(user);
    return user;
  }

  confirm(token) {
    const user = [...this.users.values()].find((one) => one.token === token);
    if (user) user.state = 'confirmed';
    return user;
  }

  // Sends the welcome mail; what is deferred is tried again, what is refused never.
  async welcome(user) {
    const to = broken === 'recipient' ? 'support@users.example' : user.address;
    for (let attempt = 1; attempt <= this.tries; attempt += 1) {
      try {
        await send({ host: this.host, port: this.port, from: sender, to, message: makeMessage(user) });
        user.state = 'welcomed';
        return;
      } catch (error) {
        if (!error.code || error.code >= 500) break;
        if (broken === 'retry') return;
        await sleep(this.retryAfter);
      }
    }
    user.state = 'dead';
  }
}
