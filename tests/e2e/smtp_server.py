#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A scripted SMTP server for tests.

    smtp_server.py DIRECTORY [ADDRESS [PORT]]

Listens on ADDRESS (127.0.0.1), at PORT or one that it chooses, and writes it to DIRECTORY/port.  What it
does is in DIRECTORY/rules, read anew for each command; the first line that fits decides:

    VERB PATTERN ACTION...      VERB: connect EHLO HELO MAIL RCPT DATA EOD RSET QUIT any
    extensions NAME...          of EHLO, `_` for a blank
    limit N CODE                to the recipients behind the N-th of a transaction

PATTERN is matched with the argument (a whole command behind its verb).  ACTION: `reply TEXT` (with
\\n for more lines), `last TEXT` (replies and closes), `raw BYTES`, `close`, `reset`, `silence`,
`early BYTES` (DATA: 354, and these bytes before anything of the message is read).
DIRECTORY/log gets a line `N connect`, `N LINE` for what came, `N end`; DIRECTORY/took.K the K-th
message as it came (dots and CRLF left as they are), DIRECTORY/envelope.K its envelope.
"""
import fnmatch
import os
import socket
import struct
import sys
import threading

directory = sys.argv[1]
address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
lock = threading.Lock()
counts = {"connections": 0}


def note(number, text):
    with lock, open(os.path.join(directory, "log"), "a", encoding="latin-1") as log:
        log.write(f"{number} {text}\n")


class Closed(Exception):
    pass


class Session:
    def __init__(self, connection):
        self.connection = connection
        with lock:
            counts["connections"] += 1
            self.number = counts["connections"]
        self.input = b""

    def read_rules(self):
        self.rules = []
        self.limit = (1000, "452")
        self.extensions = ["PIPELINING", "SIZE 10000000", "8BITMIME"]
        path = os.path.join(directory, "rules")
        for line in open(path, encoding="latin-1") if os.path.exists(path) else []:
            words = line.rstrip("\n").split(" ", 3)
            if words[0] == "extensions":
                self.extensions = [w.replace("_", " ") for w in line.split()[1:]]
            elif words[0] == "limit":
                self.limit = (int(words[1]), words[2])
            elif len(words) > 2:
                self.rules.append(words + [""])

    def line(self):
        while b"\n" not in self.input:
            got = self.connection.recv(65536)
            if not got:
                raise Closed
            self.input += got
        line, self.input = self.input.split(b"\n", 1)
        return line.rstrip(b"\r").decode("latin-1")

    def reply(self, text):
        lines = text.split("\\n")
        for i, line in enumerate(lines):
            dash = "-" if i + 1 < len(lines) else " "
            if i and not line[:3].isdigit():
                line = lines[0][:3] + dash + line
            elif len(lines) > 1:
                line = line[:3] + dash + line[4:]
            lines[i] = line
        self.connection.sendall("".join(l + "\r\n" for l in lines).encode("latin-1"))

    def obey(self, verb, argument, usual):
        """Does what the rules say; true if the reply was a good one."""
        self.read_rules()
        if verb == "EHLO":
            usual = "\\n".join([usual] + self.extensions)
        for rule in self.rules:
            if rule[0] not in (verb, "any") or not fnmatch.fnmatchcase(argument, rule[1]):
                continue
            action, text = rule[2], rule[3]
            if action == "close":
                raise Closed
            if action == "reset":
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                raise Closed
            if action == "silence":
                while self.connection.recv(65536):
                    pass
                raise Closed
            if action in ("raw", "early"):
                if action == "early":
                    self.reply("354 go on")
                self.connection.sendall(text.encode("latin-1").decode("unicode_escape").encode("latin-1"))
                return False
            self.reply(text)
            if action == "last":
                raise Closed
            return text[0] in "23"
        self.reply(usual)
        return usual[0] in "23"

    def message(self, sender, recipients):
        while b"\r\n.\r\n" not in b"\r\n" + self.input:
            got = self.connection.recv(65536)
            if not got:
                raise Closed
            self.input += got
        end = (b"\r\n" + self.input).index(b"\r\n.\r\n")
        text, self.input = self.input[:end], self.input[end + 3:]
        with lock:
            number = 1 + sum(name.startswith("took.") for name in os.listdir(directory))
            with open(os.path.join(directory, f"took.{number}"), "wb") as file:
                file.write(text)
            with open(os.path.join(directory, f"envelope.{number}"), "w", encoding="latin-1") as file:
                file.write(" ".join([sender or ""] + recipients) + "\n")

    def talk(self):
        note(self.number, "connect")
        if not self.obey("connect", "", "220 server.test ESMTP"):
            return
        sender, recipients = None, []
        while True:
            line = self.line()
            note(self.number, line)
            verb, argument = line[:4].upper(), line[5:]
            if verb == "EHLO":
                self.obey(verb, argument, "250 server.test")
            elif verb == "MAIL":
                if self.obey(verb, argument, "250 sender ok"):
                    sender, recipients = argument, []
            elif verb == "RCPT":
                self.read_rules()
                usual = "250 recipient ok" if sender else "503 no MAIL"
                if len(recipients) >= self.limit[0]:
                    usual = self.limit[1] + " too many recipients"
                if self.obey(verb, argument, usual):
                    recipients.append(argument)
            elif verb == "DATA":
                if self.obey(verb, argument, "354 go on" if recipients else "554 no recipients"):
                    self.message(sender, recipients)
                    note(self.number, ".")
                    self.obey("EOD", " ".join(recipients), "250 2.0.0 taken")
                    recipients = []
            elif verb == "QUIT":
                self.obey(verb, argument, "221 bye")
                raise Closed
            else:
                self.obey(verb, argument, "250 ok" if verb in ("HELO", "RSET") else "502 what?")

    def run(self):
        try:
            self.talk()
        except (Closed, OSError):
            pass
        finally:
            note(self.number, "end")
            self.connection.close()


listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, int(sys.argv[3]) if len(sys.argv) > 3 else 0))
listener.listen(50)
with open(os.path.join(directory, "port.new"), "w", encoding="ascii") as port_file:
    port_file.write(str(listener.getsockname()[1]))
os.rename(os.path.join(directory, "port.new"), os.path.join(directory, "port"))
while True:
    peer, _ = listener.accept()
    threading.Thread(target=Session(peer).run, daemon=True).start()
