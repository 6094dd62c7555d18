#!/usr/bin/env python3
"""Many SMTP clients at once while programs of the server are killed at random.

    storm.py --home HOME --nixie NIXIE --address A --sink A:PORT --messages N --clients N --seed N --kill-every S

Each client sends its messages until each is accepted, and notes how each try ended.  What the server
sends to others is taken by a server in here.  At the end every message must be where it belongs:
each queued message that was told as accepted once for each recipient; another copy only where a try
ended without an answer to its end of data (or with "later", when the queue was killed: it may have
been about to say that it has the message), or a program that delivers was killed meanwhile.
Prints what happened as `# ` lines, then `ok` or what is wrong; exit status 0 or 1.
"""
import argparse
import asyncio
import collections
import hashlib
import os
import random
import re
import signal
import subprocess
import time

TREE = ("send", "lspawn", "rspawn", "clean")
DELIVERING = TREE + ("start", "stop", "local", "remote")
WEIGHTS = {"smtpd": 7, "local": 6, "remote": 6, "queue": 4, "listen": 3, "log": 1, "send": 2, "lspawn": 1, "rspawn": 1, "clean": 1, "start": 3, "stop": 1}
LOCAL = ("alice@mail.example", "bob@mail.example")
REMOTE = ("x@away.example", "y@away.example")
RECIPIENTS = (LOCAL[:1], REMOTE[:1], (LOCAL[0], REMOTE[0]), LOCAL + REMOTE)
Copy = collections.namedtuple("Copy", "when qp whole")


class Message:
    def __init__(self, number, rng):
        self.number = number
        self.recipients = RECIPIENTS[number % len(RECIPIENTS)]
        lines = [b"line %d of %d " % (i, number) + b"x" * rng.randrange(80) for i in range(rng.randrange(1, 80))]
        body = b"".join(line + b"\n" for line in lines + [b"."] * rng.randrange(3))
        head = b"From: storm@client.example\nSubject: storm\nX-Storm: %d %s\n\n"
        self.text = head % (number, hashlib.md5(body).hexdigest().encode()) + body
        self.accepted = {}  # queue number: when
        self.unsure = 0  # tries that ended between the end of data and its answer
        self.later = []  # when the answer to the end of data was "later"
        self.refused = collections.Counter()

    def wire(self):
        return re.sub(rb"(?m)^\.", b"..", self.text).replace(b"\n", b"\r\n") + b".\r\n"


def identify(text):
    """(number, whole, queue number) of a message; number is None if it is not ours."""
    head, _, body = text.partition(b"\n\n")
    mark = re.search(rb"^X-Storm: (\d+) (\w+)$", head, re.M)
    qp = re.search(rb"^Received: \(nixie-queue (\d+) ", head, re.M)
    if not mark:
        return None, False, 0
    return int(mark[1]), hashlib.md5(body).hexdigest().encode() == mark[2], int(qp[1]) if qp else 0


class Refused(Exception):
    pass


class Session:
    def __init__(self, storm, rng):
        self.storm, self.rng = storm, rng

    async def answer(self, want):
        while True:
            line = await asyncio.wait_for(self.reader.readline(), 120)
            if not line.endswith(b"\n"):
                raise ConnectionError("closed")
            if line[3:4] == b" ":
                break
        if line[:1] != want:
            raise Refused(line.decode(errors="replace").strip())
        return line

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(self.storm.address, 25)
        await self.answer(b"2")
        self.writer.write(b"EHLO client.example\r\n")
        await self.answer(b"2")

    async def begin(self, message):
        commands = [b"MAIL FROM:<storm@client.example>\r\n"]
        commands += [b"RCPT TO:<%s>\r\n" % who.encode() for who in message.recipients] + [b"DATA\r\n"]
        wants = [b"2"] * (len(commands) - 1) + [b"3"]
        if self.rng.random() < 0.5:
            self.writer.write(b"".join(commands))
            commands = [b""] * len(commands)
        for command, want in zip(commands, wants):
            self.writer.write(command)
            await self.answer(want)

    async def send(self, message):
        await self.begin(message)
        wire = message.wire()
        self.writer.write(wire[:-5])
        await self.writer.drain()
        if self.rng.random() < 0.2:
            await asyncio.sleep(self.rng.random() * 0.05)
        self.writer.write(wire[-5:])
        message.unsure += 1  # until there is an answer
        try:
            line = await self.answer(b"2")
        except Refused:
            message.unsure -= 1
            message.later.append(time.time())
            raise
        message.unsure -= 1
        message.accepted[int(line.split()[-1])] = time.time()

    def close(self):
        writer = getattr(self, "writer", None)
        if writer:
            writer.close()


class Storm:
    def __init__(self, options):
        self.options = options
        self.address = options.address
        self.home = os.path.realpath(options.home)
        rng = random.Random(options.seed)
        self.messages = [Message(i, rng) for i in range(options.messages)]
        self.todo = list(reversed(self.messages))
        self.copies = collections.defaultdict(list)  # (number, recipient)
        self.strange = []
        self.kills = []  # (when, program)
        self.wrong = []
        self.done = asyncio.Event()

    # --- clients ---

    async def client(self, number):
        rng = random.Random(self.options.seed * 1000 + number)
        while self.todo:
            message = self.todo.pop()
            session, left = Session(self, rng), rng.randrange(1, 8)
            try:
                await session.open()
                while message:
                    await session.send(message)
                    left -= 1
                    message = self.todo.pop() if left and self.todo else None
                session.writer.write(b"QUIT\r\n")
                await session.answer(b"2")
            except Refused as error:
                text = str(error)
                if message:
                    message.refused[text[:9]] += 1
                if text[:1] == "5":
                    self.wrong.append(f"refused for good: {text}")
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
                pass
            if message and not message.accepted:
                self.todo.append(message)
                await asyncio.sleep(0.05 + rng.random() * 0.2)
            session.close()

    # --- the server that mail goes to ---

    async def sink(self, reader, writer):
        try:
            await self.sink_session(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def sink_session(self, reader, writer):
        recipients = []
        writer.write(b"220 sink.example ESMTP\r\n")
        while True:
            line = await reader.readline()
            verb = line[:4].upper()
            if not line.endswith(b"\n"):
                return
            if verb == b"EHLO":
                writer.write(b"250-sink.example\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
            elif verb == b"RCPT":
                recipients.append(line[line.index(b"<") + 1 : line.index(b">")].decode())
                writer.write(b"250 ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await writer.drain()
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += await reader.readuntil(b"\r\n")
                self.take(data, recipients)
                recipients = []
                writer.write(b"250 taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                await writer.drain()
                return
            else:
                recipients = []
                writer.write(b"250 ok\r\n")
            await writer.drain()

    def take(self, data, recipients):
        text = re.sub(rb"(?m)^\.", b"", data[:-3].replace(b"\r\n", b"\n"))
        number, whole, qp = identify(text)
        if number is None:
            self.strange.append((recipients, text[-600:].decode(errors="replace")))
        for who in recipients:
            self.copies[number, who].append(Copy(time.time(), qp, whole))

    # --- killing ---

    def pids(self, program):
        wanted = f"{self.home}/bin/nixie-{program}"
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)") == wanted:
                    found.append(int(pid))
            except OSError:
                pass
        return sorted(found)

    def start(self):
        log = open(f"{self.options.work}/start.log", "ab")
        self.starter = subprocess.Popen([self.options.nixie, "mta", "start", self.home], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill_one(self, rng):
        pids = []
        while not pids:
            program = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            pids = [self.starter.pid] if program in ("start", "stop") else self.pids(program)
        try:
            os.kill(rng.choice(pids), signal.SIGTERM if program == "stop" else signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills.append((time.time(), program))

    async def killer(self):
        rng = random.Random(self.options.seed + 77)
        while not self.done.is_set():
            await asyncio.sleep(self.options.kill_every * (0.3 + rng.random() * 1.4))
            self.kill_one(rng)
            if self.starter.poll() is not None:
                await asyncio.sleep(rng.random() * 0.5)
                self.start()
            elif self.kills and self.kills[-1][1] == "stop":
                for _ in range(300):  # it has to end in order
                    if self.starter.poll() is not None:
                        break
                    await asyncio.sleep(0.05)

    # --- the end ---

    def queue(self):
        left = []
        for kind in ("todo", "info", "local", "remote", "bounce", "mark", "corrupt"):
            left += [f"{kind}/{name}" for name in os.listdir(f"{self.home}/queue/{kind}")]
        return left

    def unfinished(self):
        """What is left of messages that a killed queue did not finish, or that have ended: it goes after
        36 hours."""
        return [int(name) for name in os.listdir(f"{self.home}/queue/mess")]

    async def drain(self):
        end = time.time() + self.options.patience
        while self.queue() and time.time() < end:
            if self.starter.poll() is not None:
                self.start()
            subprocess.run([self.options.nixie, "mta", "retry", self.home, "all"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            await asyncio.sleep(1)
        left = self.queue()
        if left:
            self.wrong.append(f"{len(left)} files are left in the queue: {left[:8]}")
        subprocess.run([self.options.nixie, "mta", "stop", self.home], stdout=subprocess.DEVNULL)
        self.starter.wait()
        await asyncio.sleep(1)
        for program in WEIGHTS:
            if program != "stop" and self.pids(program):
                self.wrong.append(f"nixie-{program} still runs")

    def read_maildirs(self):
        for who in LOCAL:
            folder = f"{self.home}/users/{who.split('@')[0]}/Maildir/new"
            for name in os.listdir(folder):
                with open(f"{folder}/{name}", "rb") as file:
                    number, whole, qp = identify(file.read())
                    if number is None:
                        self.strange.append((who, name))
                    self.copies[number, who].append(Copy(os.fstat(file.fileno()).st_ctime, qp, whole))

    def explained(self, first, again):
        """Whether a program that delivers was killed about when one copy was made, up to the next."""
        return any(program in DELIVERING and first - 3 <= when <= again + 1 for when, program in self.kills)

    def perhaps_queued(self, message):
        """How many tries may have left a message that the client was not told of."""
        # A server that is told to stop gives its sessions half a minute, and a slow disk may take longer.
        before = {"queue": 6, "start": 6, "stop": 40}
        hit = [t for t in message.later if any(t - before.get(program, -1) <= when <= t for when, program in self.kills)]
        return message.unsure + len(hit)

    def judge_copies(self, message, who, counts):
        copies = sorted(self.copies.pop((message.number, who), []))
        if any(not copy.whole for copy in copies):
            self.wrong.append(f"message {message.number} at {who} was changed")
        by_qp = collections.defaultdict(list)
        for copy in copies:
            by_qp[copy.qp].append(copy.when)
        for qp in message.accepted:
            if qp not in by_qp:
                self.wrong.append(f"LOST: message {message.number} qp {qp} for {who}")
        others = [qp for qp in by_qp if qp not in message.accepted]
        counts["sent again by a client who did not know"] += len(others)
        if len(others) > self.perhaps_queued(message):
            near = {t: [(round(when - t, 2), program) for when, program in self.kills if t - 20 <= when <= t + 2] for t in message.later}
            self.wrong.append(f"INVENTED: message {message.number} qp {others} for {who}, {message.unsure} tries without an answer, later, and kills about then: {near}")
        for qp, times in by_qp.items():
            for first, again in zip(times, times[1:]):
                counts["delivered again"] += 1
                if not self.explained(first, again):
                    self.wrong.append(f"DUPLICATE: message {message.number} qp {qp} at {who}, {first:.2f} and {again:.2f}")

    def judge(self):
        counts = collections.Counter()
        accepted = {qp for message in self.messages for qp in message.accepted}
        left = self.unfinished()
        counts["not finished by a killed queue"] = len(set(left) - accepted)
        counts["ended, but not removed"] = len(accepted.intersection(left))
        for message in self.messages:
            if not message.accepted:
                self.wrong.append(f"message {message.number} was never accepted: {dict(message.refused)}")
            if message.unsure < 0:
                self.wrong.append(f"message {message.number}: this program counts badly")
            for who in message.recipients:
                self.judge_copies(message, who, counts)
        for number, who in self.copies:
            self.wrong.append(f"INVENTED: message {number} at {who}")
        for what in self.strange:
            self.wrong.append(f"a message that nobody sent: {what}")
        return counts

    async def run(self):
        started = time.time()
        host, _, port = self.options.sink.rpartition(":")
        server = await asyncio.start_server(self.sink, host, int(port), backlog=200, limit=1 << 20)
        self.start()
        killer = asyncio.create_task(self.killer())
        clients = [asyncio.create_task(self.client(i)) for i in range(self.options.clients)]
        _, late = await asyncio.wait(clients, timeout=self.options.seconds)
        for task in late:
            task.cancel()
        if late:
            self.wrong.append(f"{len(late)} clients were not done after {self.options.seconds} s, {len(self.todo)} messages not sent")
        sent = time.time() - started
        self.done.set()
        await killer
        await self.drain()
        server.close()
        self.read_maildirs()
        counts = self.judge()
        print(f"# seed {self.options.seed}: {len(self.messages)} messages from {self.options.clients} clients in {sent:.1f} s, all out after {time.time() - started:.1f} s")
        print("# killed: " + ", ".join(f"{n} {p}" for p, n in collections.Counter(p for _, p in self.kills).most_common()))
        print(f"# tries without an answer: {sum(m.unsure for m in self.messages)}; refused for now: {dict(sum((m.refused for m in self.messages), collections.Counter()))}")
        print("# explained by kills: " + (", ".join(f"{n} {what}" for what, n in counts.items()) or "none"))
        for line in self.wrong[:40]:
            print(line)
        print(f"{len(self.wrong)} things are wrong" if self.wrong else "ok")
        return bool(self.wrong)


def main():
    parser = argparse.ArgumentParser()
    for name in ("home", "nixie", "address", "sink", "work"):
        parser.add_argument("--" + name, required=True)
    for name, kind, value in (("messages", int, 1000), ("clients", int, 50), ("seed", int, 1), ("kill-every", float, 0.7), ("seconds", float, 300), ("patience", float, 120)):
        parser.add_argument("--" + name, type=kind, default=value)
    options = parser.parse_args()

    async def run():
        return await Storm(options).run()

    raise SystemExit(asyncio.run(run()))


main()
