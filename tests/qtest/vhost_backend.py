# SPDX-License-Identifier: GPL-2.0-or-later
"""A vhost-user back-end of our own, in a thread: it notes what it is told, maps the guest's memory, and works on split
rings; and it can be told to answer wrong."""
import array
import mmap
import os
import select
import socket
import struct
import threading

import machine

(GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE, SET_LOG_BASE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE,
 GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL) = (1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 13)
(GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE, SET_BACKEND_REQ_FD, GET_CONFIG,
 SET_CONFIG, GET_INFLIGHT_FD, SET_INFLIGHT_FD, GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG) = (
     15, 16, 17, 18, 21, 24, 25, 31, 32, 36, 37, 38)
GPU_SET_SOCKET = 33
CONFIG_CHANGE = 2

VERSION_1, EVENT_IDX, LOG_ALL, PROTOCOL = 1 << 32, 1 << 29, 1 << 26, 1 << 30
MQ, LOG_SHMFD, REPLY_ACK, BACKEND_REQ, CONFIG, INFLIGHT, MEM_SLOTS = (1 << n for n in (0, 1, 3, 5, 9, 12, 15))
DISK = MQ | REPLY_ACK | BACKEND_REQ | CONFIG


class Region:
    def __init__(self, words, fd):
        self.guest, self.size, self.host, self.offset = words
        self.map = mmap.mmap(fd, self.size + self.offset)
        os.close(fd)

    def words(self):
        return self.guest, self.size, self.host, self.offset


class Ring:
    def __init__(self):
        self.num = self.base = self.enabled = self.used = 0
        self.addr = None
        self.kick = self.call = None

    def set_fd(self, name, fd):
        """Its "kick" or "call"; the one before is closed."""
        if getattr(self, name) is not None:
            os.close(getattr(self, name))
        setattr(self, name, fd)


class Backend(threading.Thread):
    """@listen: it listens at @path for one front-end after another, else it connects. @wrong: {request: function of the
    reply's (request, flags, payload) that gives other ones, and perhaps descriptors that go with the payload, or None for
    the end of the connection}."""

    def __init__(self, path, protocol=DISK, features=VERSION_1 | PROTOCOL, listen=True, slots=32, queues=4, wrong=None,
                 handle=None):
        super().__init__(daemon=True)
        self.protocol, self.features, self.slots, self.queues = protocol, features, slots, queues
        self.wrong, self.handle = wrong or {}, handle or (lambda data, room: data[:room])
        self.config = bytearray(struct.pack("<Q", 2048).ljust(60, b"\0"))
        self.lock = threading.Condition()
        self.seen, self.regions, self.rings, self.agreed, self.accepted = [], [], {}, 0, 0
        self.requests = self.pictures = self.log = self.log_file = self.inflight = None
        self.kicks = 0
        self.silent = self.asked = False  # it does not say what it can do; somebody waits for that
        self.mute, self.unsaid = (), []  # it answers no such request, nor what comes behind it
        self.mute_next = ()  # the same of the next connection
        self.mute_behind = None  # nor what comes behind this one
        self.hold = False  # requests stay in flight, until the connection ends
        self.waits = False  # it looks at a ring only when it is notified, as most do
        self.sock = None
        self.path, self.listen, self.stopping = path, listen, False
        self.server = socket.socket(socket.AF_UNIX)
        if listen:
            self.server.bind(path)
            self.server.listen()
        self.wake = os.eventfd(0)
        self.start()

    # ---- what tests ask ----

    def wait(self, condition, what, timeout=60):
        with self.lock:
            if not self.lock.wait_for(condition, timeout):
                raise AssertionError(f"not in {timeout} s: {what}; seen: {[s[0] for s in self.seen]}")

    def told(self, request):
        """Payloads of all requests of this kind."""
        with self.lock:
            return [payload for kind, payload in self.seen if kind == request]

    def drop(self):
        """End the connection, as if the program died."""
        self.sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.stopping = True
        os.eventfd_write(self.wake, 1)
        self.join(30)
        self.server.close()

    def speak(self):
        with self.lock:
            self.silent = False
            self.answer(GET_FEATURES, struct.pack("<Q", self.features))

    def say(self):
        """Answer all to which it was mute, and be it no more."""
        with self.lock:
            self.mute, unsaid, self.unsaid = (), self.unsaid, []
            for reply, fds in unsaid:
                socket.send_fds(self.sock, [reply], fds)

    def change_config(self, data):
        """Tell the front-end, and wait for its acknowledgement."""
        with self.lock:
            self.config[:len(data)] = data
        self.requests.sendall(struct.pack("<III", CONFIG_CHANGE, 1 | 8, 0))
        return struct.unpack("<IIIQ", self.requests.recv(20, socket.MSG_WAITALL))[3]

    # ---- memory ----

    def at_guest(self, addr, size):
        region = next(r for r in self.regions if r.guest <= addr and addr + size <= r.guest + r.size)
        return region, region.offset + addr - region.guest

    def read(self, addr, size):
        region, at = self.at_guest(addr, size)
        return region.map[at:at + size]

    def write(self, addr, data):
        region, at = self.at_guest(addr, len(data))
        region.map[at:at + len(data)] = data
        if self.log:
            for page in range(addr >> 12, ((addr + len(data) - 1) >> 12) + 1):
                self.log[page // 8] |= 1 << page % 8

    def guest_of(self, host):
        region = next(r for r in self.regions if r.host <= host < r.host + r.size)
        return host - region.host + region.guest

    # ---- rings ----

    def work(self, ring):
        """Answer each buffer by handle(what the driver wrote, room for the answer)."""
        if not ring.addr or not (ring.enabled or not self.accepted & PROTOCOL) or self.hold:
            return
        while taken := self.take(ring):
            head, data, room = taken
            self.give(ring, head, room, self.handle(data, sum(size for _, size in room)))

    def take(self, ring):
        """The next buffer: its number, what the driver wrote, and where there is room; None: there is none."""
        desc, _, avail = (self.guest_of(host) for host in ring.addr[:3])
        index = struct.unpack("<H", self.read(avail + 2, 2))[0]
        if ring.base == index:
            return None
        head = struct.unpack("<H", self.read(avail + 4 + 2 * (ring.base % ring.num), 2))[0]
        data, room, at, more = b"", [], head, True
        while more:
            addr, size, flags, following = struct.unpack("<QIHH", self.read(desc + 16 * at, 16))
            if flags & 2:
                room.append((addr, size))
            else:
                data += self.read(addr, size)
            at, more = following, flags & 1
        ring.base = (ring.base + 1) & 0xffff
        return head, data, room

    def give(self, ring, head, room, answer):
        used = self.guest_of(ring.addr[1])
        written = len(answer)
        for addr, size in room:
            self.write(addr, answer[:size])
            answer = answer[size:]
        self.write(used + 4 + 8 * (ring.used % ring.num), struct.pack("<II", head, written))
        ring.used = (ring.used + 1) & 0xffff
        self.write(used + 2, struct.pack("<H", ring.used))
        if ring.call is not None:
            os.eventfd_write(ring.call, 1)

    # ---- messages ----

    def keeps(self, request, reply, *fds):
        """Whether it is mute."""
        if request in self.mute or self.unsaid:
            self.unsaid.append((reply, fds))
            return True
        return False

    def answer(self, request, payload):
        reply = request, 1 | 4, payload
        if request in self.wrong:
            reply = self.wrong[request](*reply)
        if reply is None:
            raise EOFError
        header = struct.pack("<III", reply[0], reply[1], len(reply[2]))
        if self.keeps(request, header + reply[2]):
            return
        if len(reply) > 3:
            self.sock.sendall(header)
            socket.send_fds(self.sock, [reply[2]], reply[3])
        else:
            self.sock.sendall(header + reply[2])

    def ring(self, payload):
        return self.rings.setdefault(payload[0], Ring())

    def set_ring(self, request, payload, fds):
        index, value = struct.unpack_from("<II", payload)
        ring = self.ring((index,))
        if request == SET_VRING_NUM:
            ring.num = value
        elif request == SET_VRING_BASE:
            ring.base = value & 0xffff
        elif request == SET_VRING_ADDR:
            ring.addr = struct.unpack_from("<QQQ", payload, 8)
            ring.used = struct.unpack("<H", self.read(self.guest_of(ring.addr[1]) + 2, 2))[0]
        elif request == SET_VRING_ENABLE:
            ring.enabled = value
        elif request in (SET_VRING_KICK, SET_VRING_CALL):
            ring = self.ring((index & 0xff,))
            ring.set_fd("kick" if request == SET_VRING_KICK else "call", fds[0] if fds else None)
        if not self.waits:
            self.work(ring)

    def set_memory(self, request, payload, fds):
        if request == SET_MEM_TABLE:
            count = struct.unpack_from("<I", payload)[0]
            self.regions = [Region(struct.unpack_from("<QQQQ", payload, 8 + 32 * i), fds[i]) for i in range(count)]
        elif request == ADD_MEM_REG:
            self.regions.append(Region(struct.unpack_from("<QQQQ", payload, 8), fds[0]))
        else:
            words = struct.unpack_from("<QQQQ", payload, 8)
            self.regions = [r for r in self.regions if r.words() != words]

    def message(self, request, flags, payload, fds):
        if request == self.mute_behind:
            self.mute, self.mute_behind = range(64), None
        number = struct.unpack_from("<Q", payload)[0] if len(payload) >= 8 else 0
        asked = {GET_FEATURES: self.features, GET_PROTOCOL_FEATURES: self.protocol, GET_QUEUE_NUM: self.queues,
                 GET_MAX_MEM_SLOTS: self.slots}
        if request == GET_FEATURES and self.silent:
            self.asked = True
            return None
        if request in asked:
            return self.answer(request, struct.pack("<Q", asked[request]))
        if request == GET_VRING_BASE:
            ring = self.ring(struct.unpack_from("<I", payload))
            ring.set_fd("kick", None)
            return self.answer(request, struct.pack("<II", struct.unpack_from("<I", payload)[0], ring.base))
        if request == GET_CONFIG:
            size = len(payload) - 12
            return self.answer(request, payload[:12] + bytes(self.config[:size]).ljust(size, b"\0"))
        if request == GET_INFLIGHT_FD:
            self.inflight = os.memfd_create("inflight") if self.inflight is None else self.inflight
            os.truncate(self.inflight, 4096)
            reply = struct.pack("<III", request, 1 | 4, 20) + struct.pack("<QQ", 4096, 0) + payload[16:20]
            if not self.keeps(request, reply, self.inflight):
                socket.send_fds(self.sock, [reply], [self.inflight])
            return None
        if request == SET_LOG_BASE:
            self.log, self.log_file = mmap.mmap(fds[0], number), fds[0]
            return self.answer(request, struct.pack("<Q", 0))
        if request == SET_FEATURES:
            self.accepted = number
        elif request == SET_PROTOCOL_FEATURES:
            self.agreed = number
        elif request == GPU_SET_SOCKET:
            self.pictures = socket.socket(fileno=fds[0])
        elif request == SET_BACKEND_REQ_FD:
            self.requests = socket.socket(fileno=fds[0])
        elif request == SET_CONFIG:
            offset, size = struct.unpack_from("<II", payload)
            self.config[offset:offset + size] = payload[12:12 + size]
        elif request in (SET_MEM_TABLE, ADD_MEM_REG, REM_MEM_REG):
            self.set_memory(request, payload, fds)
        elif request in (SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ADDR, SET_VRING_ENABLE, SET_VRING_KICK, SET_VRING_CALL):
            self.set_ring(request, payload, fds)
        if flags & 8:
            self.answer(request, struct.pack("<Q", 0))
        return None

    def receive(self, size):
        data, fds = b"", []
        while len(data) < size:
            more, ancillary, _, _ = self.sock.recvmsg(size - len(data), socket.CMSG_SPACE(4 * 16))
            if not more:
                raise EOFError
            data += more
            for _, _, content in ancillary:
                numbers = array.array("i")
                numbers.frombytes(content)
                fds += numbers
        return data, fds

    def serve(self):
        while not self.stopping:
            kicks = {r.kick: r for r in self.rings.values() if r.kick is not None}
            ready = select.select([self.sock, self.wake, *kicks], [], [])[0]
            for fd in ready:
                if fd in kicks:
                    os.eventfd_read(fd)
                    with self.lock:
                        self.kicks += 1
                        self.lock.notify_all()
                        self.work(kicks[fd])
            if self.sock in ready:
                header, fds = self.receive(12)
                request, flags, size = struct.unpack("<III", header)
                payload, more = self.receive(size)
                with self.lock:
                    self.message(request, flags, payload, fds + more)
                    self.seen.append((request, payload))
                    self.lock.notify_all()

    def connects(self):
        """A socket has its name a moment before it listens."""
        try:
            self.sock.connect(self.path)
        except ConnectionRefusedError:
            return self.stopping
        return True

    def run(self):
        while not self.stopping:
            if self.listen:
                if self.wake in select.select([self.server, self.wake], [], [])[0]:
                    return
                self.sock = self.server.accept()[0]
            else:
                self.sock = socket.socket(socket.AF_UNIX)
                try:
                    machine.vm.wait_until(self.connects, "a listener")
                except OSError:
                    return
            with self.lock:
                self.lock.notify_all()
            try:
                self.serve()
            except (EOFError, ConnectionError):
                pass
            with self.lock:
                self.seen.append((0, b""))
                for ring in self.rings.values():
                    ring.set_fd("kick", None)
                    ring.set_fd("call", None)
                self.regions, self.rings, self.log, self.hold = [], {}, None, False
                self.mute, self.unsaid, self.mute_next = self.mute_next, [], ()
                self.lock.notify_all()
            self.sock.close()
            if not self.listen:
                return


class Card(Backend):
    """The back-end of a card: at its other end is a host with any address, which answers ARP and pings."""
    MAC = bytes.fromhex("525400abcdef")
    HEADER = 12

    def __init__(self, path):
        super().__init__(path, protocol=MQ | REPLY_ACK, queues=1)

    def work(self, ring):
        if ring is not self.rings.get(1) or not ring.addr or not ring.enabled:
            return  # those of ring 0 are kept for what comes
        while taken := self.take(ring):
            head, data, room = taken
            self.give(ring, head, room, b"")
            answer = self.answer_of(data[self.HEADER:])
            into = self.rings.get(0)
            if answer and into and into.addr and into.enabled and (buffer := self.take(into)):
                self.give(into, buffer[0], buffer[2], bytes(self.HEADER) + answer)

    def answer_of(self, packet):
        """None: there is none."""
        source, kind = packet[6:12], packet[12:14]
        if kind == b"\x08\x06" and packet[20:22] == b"\0\1":
            return source + self.MAC + packet[12:20] + b"\0\2" + self.MAC + packet[38:42] + packet[22:32]
        if kind == b"\x08\0" and packet[23] == 1 and packet[34] == 8:
            addresses = packet[30:34] + packet[26:30]
            return source + self.MAC + packet[12:26] + addresses + ping_answer(packet[34:])
        return None


def ping_answer(ping):
    """The same, as an answer (RFC 792)."""
    ping = b"\0\0\0\0" + ping[4:]
    words = sum(struct.unpack(f">{(len(ping) + 1) // 2}H", ping + bytes(len(ping) % 2)))
    while words >> 16:
        words = (words & 0xffff) + (words >> 16)
    return ping[:2] + struct.pack(">H", words ^ 0xffff) + ping[4:]
