// The application's own tests, as any project has them.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { App } from './app.mjs';

const { NIXIE_SMTP_HOST: host, NIXIE_SMTP_PORT: port, NIXIE_MAILDIR: maildir } = process.env;
const newApp = () => new App({ host, port: Number(port) });

function mailTo(address) {
  const folder = join(maildir, 'new');
  return readdirSync(folder).sort()
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .filter((text) => text.includes(`\nTo: ${address}\n`));
}

test('a new user gets a link that works', async () => {
  const app = newApp();
  const user = await app.signUp('Zoë', 'zoe@users.example');
  assert.equal(user.state, 'welcomed');
  const [message] = mailTo('zoe@users.example');
  assert.equal(app.confirm(/token=(\w+)/.exec(message)[1]), user);
  assert.equal(user.state, 'confirmed');
});

test('a greylisted user is not dead', async () => {
  const user = await newApp().signUp('Gray', 'grey@users.example');
  assert.notEqual(user.state, 'dead');
});

test('an unknown user is dead', { skip: process.env.APP_BREAK === 'recipient' }, async () => {
  const user = await newApp().signUp('Nobody', 'gone@users.example');
  assert.equal(user.state, 'dead');
});
