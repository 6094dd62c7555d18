"""What the tests of the made-up mail server and client share: running them, reading what they tell."""
import re
import socket
import subprocess
import threading
import time

PATIENCE = 20  # seconds; more than anything here takes on a busy machine


def unescape(text):
    """The bytes of a quoted word without its quotes."""
    simple = {'"': b'"', "\\": b"\\", "n": b"\n", "r": b"\r", "t": b"\t"}
    out, at = b"", 0
    while at < len(text):
        if text[at] != "\\":
            out += text[at].encode()
            at += 1
        elif text[at + 1] == "x":
            out += bytes([int(text[at + 2:at + 4], 16)])
            at += 4
        else:
            out += simple[text[at + 1]]
            at += 2
    return out


def words_of(line):
    """The words of a record."""
    words = []
    for quoted, plain in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line):
        words.append(plain if plain else unescape(quoted).decode("latin-1"))
    return words


class Actor:
    """A running actor; its records are read as they come."""

    def __init__(self, program, config):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.records, self.changed = [], threading.Condition()
        if isinstance(config, str):
            config = config.encode("latin-1")
        try:
            self.process.stdin.write(config)
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            record = {"time": time.monotonic(), "words": words_of(line.decode("ascii").rstrip("\n"))}
            if record["words"][0] == "took":
                size = int(record["words"][4])
                record["bytes"] = self.process.stdout.read(size)
                assert self.process.stdout.read(1) == b"\n"
            with self.changed:
                self.records.append(record)
                self.changed.notify_all()

    def of(self, *begin):
        """Records whose first words are these."""
        begin = [str(word) for word in begin]
        with self.changed:
            return [r for r in self.records if r["words"][:len(begin)] == begin]

    def wait(self, *begin, count=1):
        """Waits until there are so many such records, and returns the last of them."""
        with self.changed:
            if not self.changed.wait_for(
                    lambda: len([r for r in self.records
                                 if r["words"][:len(begin)] == [str(w) for w in begin]]) >= count, PATIENCE):
                raise AssertionError(f"no record {begin} ({count}) in "
                                     f"{[r['words'] for r in self.records][-20:]}")
        return self.of(*begin)[count - 1]

    def finish(self):
        """Waits for its end; the exit code."""
        code = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        self.errors = self.process.stderr.read().decode("latin-1")
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.finish()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        code = self.stop()
        if kind is None:
            assert code >= 0 and "Sanitizer" not in self.errors, (code, self.errors)


class Server(Actor):
    """smtp-server on a port of its own."""
    program = None

    def __init__(self, config="", listen="127.0.0.1", program=None):
        if isinstance(config, str):
            config = config.encode("latin-1")
        super().__init__(program or Server.program, f"name mx.test.example\nlisten {listen} 0\n".encode() + config)
        self.port = int(self.wait("listening")["words"][2])

    def session(self, greet=True, hello="EHLO me.example"):
        session = Session(self.port)
        if greet:
            session.expect(220)
            if hello:
                session.say(hello, 250)
        return session

    def took(self, count=1):
        return self.wait("took", count=count) if count == 1 else [
            self.wait("took", count=i + 1) for i in range(count)]


class Session:
    """A client that says what it is told."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def line(self):
        while b"\n" not in self.rest:
            got = self.socket.recv(65536)
            if not got:
                raise EOFError(self.rest)
            self.rest += got
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode("latin-1") + "\n"

    def reply(self):
        """One reply: code and lines, which must be well-formed."""
        lines = []
        while True:
            line = self.line()
            assert re.fullmatch(r"[2-5]\d\d[ -][^\r\n]*\r\n", line), line
            assert not lines or lines[0][:3] == line[:3], (lines, line)
            lines.append(line[:-2])
            if line[3] == " ":
                return int(line[:3]), lines

    def expect(self, code):
        got, lines = self.reply()
        assert got == code, (lines, "not", code)
        return lines

    def say(self, line, code=None):
        self.send(line + "\r\n")
        return self.expect(code) if code else self.reply()

    def mail(self, sender="a@b.example", recipients=("c@d.example",)):
        self.say(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            self.say(f"RCPT TO:<{recipient}>", 250)

    def data(self, wire=b"Subject: x\r\n\r\nbody\r\n.\r\n", code=250):
        self.say("DATA", 354)
        self.send(wire)
        return self.expect(code) if code else None

    def all(self):
        """What comes until the end; b"reset" behind it if that was one."""
        data, self.rest = self.rest, b""
        try:
            while True:
                got = self.socket.recv(65536)
                if not got:
                    return data
                data += got
        except ConnectionResetError:
            return data + b"reset"

    def is_silent(self, seconds=0.3):
        self.socket.settimeout(seconds)
        try:
            return not self.rest and self.socket.recv(1) is None
        except socket.timeout:
            return True
        finally:
            self.socket.settimeout(PATIENCE)

    def close(self):
        self.socket.close()


class Script(threading.Thread):
    """A server for smtp-client: for each connection in turn, a list of steps:
    bytes: sent; int N: reads N lines; ("until", bytes): reads until these; "close"; "reset";
    ("wait", seconds); "hold": keeps it open until the client is gone."""

    def __init__(self, *connections):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections, self.heard, self.arrivals = connections, [], []
        self.start()

    def run(self):
        for steps in self.connections:
            peer, _ = self.listener.accept()
            peer.settimeout(PATIENCE)
            self.heard.append(b"")
            self.arrivals.append([])
            try:
                self.play(peer, steps)
            except (OSError, EOFError):
                pass
            peer.close()
        self.listener.close()

    def read(self, peer, done):
        """Reads until what was heard since is enough."""
        begin = self.position
        while not done(self.heard[-1][begin:]):
            got = peer.recv(65536)
            self.arrivals[-1].append((time.monotonic(), len(got)))
            if not got:
                raise EOFError
            self.heard[-1] += got
        return begin

    def play(self, peer, steps):
        self.position = 0
        for step in steps:
            if isinstance(step, bytes):
                peer.sendall(step)
            elif isinstance(step, int):
                begin = self.read(peer, lambda new: new.count(b"\n") >= step)
                for _ in range(step):
                    begin = self.heard[-1].index(b"\n", begin) + 1
                self.position = begin
            elif step == "close":
                return
            elif step == "reset":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            elif step == "hold":
                self.read(peer, lambda new: False)
            elif step[0] == "until":
                begin = self.read(peer, lambda new: step[1] in new)
                self.position = self.heard[-1].index(step[1], begin) + len(step[1])
            elif step[0] == "wait":
                time.sleep(step[1])


def send_by(program, lines, message=b"Subject: x\n\nbody\n"):
    """Runs smtp-client to its end: exit code, records without `try` numbers."""
    config = (lines.encode("latin-1") if isinstance(lines, str) else lines)
    config += b"message %d\n" % len(message) + message
    client = Actor(program, config)
    code = client.finish()
    assert "Sanitizer" not in client.errors, client.errors
    return code, client
