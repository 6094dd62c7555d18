"""Messages of all kinds through a real server, for bytes.sh.

    bytes.py make FOLDER                    writes odd messages: dots, long lines, NULs, 20 MB, ...
    bytes.py list FOLDER...                 names those that SMTP must change, and why
    bytes.py through HOME PROGRAM FOLDER... sends each by SMTP to the server in HOME, for a Maildir and
                                            for a remote server (PROGRAM: nixie-actor-smtp-server), and
                                            compares what is stored and what is sent on

What SMTP changes is in docs/architecture.md, "What SMTP changes in a message".
"""
import os
import socket
import sys
import time

from actors_rig import Server

PATIENCE = 120


def odd_messages():
    yield "empty", b""
    yield "one-newline", b"\n"
    yield "header-only", b"Subject: header only\n"
    yield "header-only-cut", b"Subject: header only"
    yield "no-last-newline", b"Subject: no last newline\n\nbody"
    yield "body-only", b"\nbody\n"
    yield "dots", b".first\n\n.\n..\n...\n.x\nx.\n\n.\n.\n"
    yield "last-dot-cut", b"Subject: a dot\n\n."
    yield "a-dot-alone", b".\n"
    yield "like-an-end", b"Subject: x\n\n.\nMAIL FROM:<x@y>\nRCPT TO:<alice@mail.example>\nDATA\nx\n.\nQUIT\n"
    yield "long-line", b"Subject: x\n\n" + b"x" * (1 << 20) + b"\n"
    yield "long-line-of-dots", b"Subject: x\n\n" + b"." * (1 << 20) + b"\n"
    yield "long-line-cut", b"Subject: x\n\n." + b"y" * ((1 << 20) + 1)
    yield "long-header", b"Subject: " + b"z" * (1 << 20) + b"\n\nbody\n"
    yield "eight-bit", "Subject: größer\n\n".encode() + bytes(range(128, 256)) + b"\n\xff"
    yield "nul", b"Subject: \0\n\n\0\n.\0\n\0.\n" + b"\0" * 5000 + b"\n"
    yield "control", b"Subject: x\n\n" + bytes(b for b in range(32) if b not in b"\r\n") + b"\x7f\n"
    yield "every-byte", b"Subject: x\n\n" + bytes(range(256)) * 300
    yield "crlf", b"Subject: x\r\n\r\n.\r\nbody\r\n"
    yield "cr", b"Subject: a\rb\n\na\rb\n\r.\r\n\r\r\n\rend\r"
    lines = [b"%d %s\n" % (i, b"abcdefghij." * (i % 8)) for i in range(1000)] + [b".\n", b"\n"]
    block = b"".join(lines)
    yield "twenty-megabytes", b"Subject: big\n\n" + block * (20 * 1024 * 1024 // len(block) + 1)


def read_all(folders):
    for folder in folders:
        for root, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                if name.endswith((".eml", ".msg")):
                    with open(os.path.join(root, name), "rb") as file:
                        yield name, file.read()


def as_stored(content):
    """What a client that sends LF as CR LF leaves in the queue: it ends the last line."""
    return content if not content or content.endswith(b"\n") else content + b"\n"


def as_sent(stored):
    """What goes out, with LF for CR LF: a CR before a line's end goes, any other is a blank."""
    return b"".join(line.removesuffix(b"\r").replace(b"\r", b" ") + b"\n" for line in stored.split(b"\n")[:-1])


def why_changed(content):
    reasons = []
    if b"\r" in content:
        reasons.append("CR")
    if content and not content.endswith(b"\n"):
        reasons.append("no last newline")
    return " and ".join(reasons)


class Client:
    def __init__(self, home):
        with open(os.path.join(home, "run/listen")) as file:
            host, port = file.readline().strip().rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.file = self.socket.makefile("rb")
        assert self.reply() == "220"
        assert self.ask("EHLO app.example") == "250"

    def reply(self):
        while True:
            line = self.file.readline().decode()
            if line[3:4] != "-":
                return line[:3]

    def ask(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.reply()

    def send(self, number, content):
        for command in (f"MAIL FROM:<c{number}@app.example>", "RCPT TO:<alice@mail.example>",
                        "RCPT TO:<bob@away.example>"):
            if self.ask(command) != "250":
                return command
        if self.ask("DATA") != "354":
            return "DATA"
        wire = as_stored(content).replace(b"\n", b"\r\n")
        if wire.startswith(b"."):
            wire = b"." + wire
        self.socket.sendall(wire.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        reply = self.reply()
        return None if reply == "250" else reply


def behind_received(data):
    """What stands behind the fields that the server adds, the last of which is smtpd's."""
    before, mark, rest = data.partition(b" with ESMTP; ")
    return rest.partition(b"\n")[2] if mark else before


def stored_mail(maildir):
    """Number to content; the files are removed."""
    found = {}
    for name in os.listdir(maildir):
        path = os.path.join(maildir, name)
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
        number = int(data[len(b"Return-Path: <c"):].partition(b"@")[0])
        assert number not in found, f"message {number} comes twice"
        found[number] = behind_received(data)
    return found


def compare(what, messages, found, expected):
    wrong = [name for number, (name, content) in enumerate(messages)
             if found.get(number) != expected(content)]
    print(f"{what}: {len(found)} of {len(messages)}, wrong: {' '.join(wrong) or 'none'}")


def through(home, program, folders):
    messages = list(read_all(folders))
    with open(os.path.join(home, "control/relayclients"), "w") as file:
        file.write("127.0.0.1\n")
    with Server(program=program) as server:
        with open(os.path.join(home, "control/smtproutes"), "w") as file:
            file.write(f"away.example:[127.0.0.1]:{server.port}\n")
        client = Client(home)
        for number, (name, content) in enumerate(messages):
            refused = client.send(number, content)
            if refused:
                print("refused:", name, refused)
        client.ask("QUIT")
        until = time.monotonic() + PATIENCE
        stored = {}
        while time.monotonic() < until and (len(stored) < len(messages) or
                                            len(server.of("took")) < len(messages)):
            stored.update(stored_mail(os.path.join(home, "users/alice/Maildir/new")))
            time.sleep(0.1)
        taken = {int(r["words"][3][1:].partition("@")[0]): behind_received(r["bytes"])
                 for r in server.of("took")}
        compare("stored", messages, stored, as_stored)
        compare("sent", messages, taken, lambda content: as_sent(as_stored(content)))
        print("bad SMTP:", *{r["words"][2] for r in server.of("bad")} or ["none"])


def main():
    what, arguments = sys.argv[1], sys.argv[2:]
    if what == "make":
        for name, content in odd_messages():
            with open(os.path.join(arguments[0], name + ".eml"), "wb") as file:
                file.write(content)
    elif what == "list":
        for name, content in read_all(arguments):
            changed = as_sent(as_stored(content)) != content
            if changed != bool(why_changed(content)):
                print("WRONG LIST:", name)
            if changed:
                print(f"{name}: {why_changed(content)}")
    else:
        through(arguments[0], arguments[1], arguments[2:])


main()
