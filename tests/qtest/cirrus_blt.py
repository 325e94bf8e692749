# SPDX-License-Identifier: GPL-2.0-or-later
"""BLTs of a cirrus-vga: what is told to its engine, and what that makes of the memory."""
ROPS = {0x00: lambda s, d: 0, 0x05: lambda s, d: s & d, 0x06: lambda s, d: d, 0x09: lambda s, d: s & ~d, 0x0b: lambda s, d: ~d,
        0x0d: lambda s, d: s, 0x0e: lambda s, d: 255, 0x50: lambda s, d: ~s & d, 0x59: lambda s, d: s ^ d, 0x6d: lambda s, d: s | d,
        0x90: lambda s, d: ~(s | d), 0x95: lambda s, d: ~(s ^ d), 0xad: lambda s, d: s | ~d, 0xd0: lambda s, d: ~s,
        0xd6: lambda s, d: ~s | d, 0xda: lambda s, d: ~(s & d)}
BACKWARDS, FROM_CPU, TRANSPARENT, PATTERN, EXPAND = 1, 4, 8, 0x40, 0x80
DWORDS, INVERT, SOLID = 1, 2, 4


class Blt:
    """One of a kind with the sizes that it can have, and what it makes of the memory."""

    def __init__(self, rand, kind):
        self.pixel = rand.choice([1, 2, 4] if kind & TRANSPARENT and not kind & EXPAND else [1, 2, 3, 4])
        if kind & TRANSPARENT and not kind & EXPAND:
            self.pixel = min(self.pixel, 2)
        pixel = self.pixel
        self.count, self.height = rand.randrange(1, 20), rand.randrange(1, 12)
        self.width, self.mode = self.count * pixel, kind | (pixel - 1) << 4
        self.more = rand.choice([0, SOLID]) if kind & PATTERN and kind & EXPAND else 0
        if kind & EXPAND and kind & TRANSPARENT:
            self.more |= rand.choice([0, INVERT])
        if kind & EXPAND and kind & FROM_CPU and not kind & PATTERN:
            self.more |= rand.choice([0, DWORDS])
        self.rop = rand.choice(list(ROPS))
        self.dest_pitch, self.source_pitch = ((self.count + rand.randrange(20)) * pixel for _ in range(2))
        self.dest, self.source = 0x1800 + rand.randrange(128) * pixel, rand.randrange(256) * pixel
        if kind & (PATTERN | EXPAND | FROM_CPU | TRANSPARENT) == 0 and rand.random() < 0.4:  # they may overlap
            self.dest = max(self.source + rand.randrange(-30, 30) * pixel, 0)
        if kind & BACKWARDS:
            self.dest += self.dest_pitch * self.height + pixel - 1
            self.source += self.source_pitch * self.height + pixel - 1
        if kind & PATTERN:
            self.source = rand.randrange(8) * 256 + rand.randrange(8)
        self.skip = rand.randrange(min(8, self.count + 1)) if kind & (EXPAND | PATTERN) and pixel != 3 else 0
        self.front, self.back, self.key = (rand.randbytes(4) for _ in range(3))
        self.solid = self.more & SOLID and not kind & TRANSPARENT
        self.data = rand.randbytes(self.data_size()) if kind & FROM_CPU and not self.solid else None

    def row(self):
        return 1 if self.mode & EXPAND else 8 * (4 if self.pixel == 3 else self.pixel)

    def data_size(self):
        if self.mode & PATTERN:
            return 8 * self.row()
        if self.mode & EXPAND:
            return (-(-self.count // 32) * 4 if self.more & DWORDS else -(-self.count // 8)) * self.height
        return (self.width + 3 & ~3) * self.height

    def lines(self):
        """Of the qtest protocol: it begins."""
        registers = [*zip((1, 0x11, 0x13, 0x15), self.front), *zip((0, 0x10, 0x12, 0x14), self.back)]
        for reg, value, size in ((0x20, self.width - 1, 2), (0x22, self.height - 1, 2), (0x24, self.dest_pitch, 2),
                                 (0x26, self.source_pitch, 2), (0x28, self.dest, 3), (0x2c, self.source, 3), (0x2f, self.skip, 1),
                                 (0x30, self.mode, 1), (0x32, self.rop, 1), (0x33, self.more, 1), (0x34, self.key[0] | self.key[1] << 8, 2)):
            registers += [(reg + i, value >> 8 * i & 255) for i in range(size)]
        return [f"outw 0x3ce {value << 8 | reg:#x}" for reg, value in [*registers, (0x31, 2)]]

    def put(self, memory, at, source):
        for i, byte in enumerate(source):
            memory[at + i] = ROPS[self.rop](byte, memory[at + i]) & 255

    def pixel_of(self, bit):
        """None: it stays."""
        if not self.mode & TRANSPARENT:
            return (self.front if bit else self.back)[:self.pixel]
        if self.more & INVERT:
            return None if bit else self.back[:self.pixel]
        return self.front[:self.pixel] if bit else None

    def line(self, source, y):
        """The pixels of line @y, of those of a @source that are not copied."""
        pixels = []
        for x in range(self.count):
            if self.solid:
                pixel = self.front[:self.pixel]
            elif self.mode & PATTERN and self.mode & EXPAND:
                pixel = self.pixel_of(source[((self.source & 7) + y) % 8] >> (7 - x % 8) & 1)
            elif self.mode & PATTERN:
                at = ((self.source & 7) + y) % 8 * self.row() + x % 8 * self.pixel
                pixel = source[at:at + self.pixel]
            else:
                size = -(-self.count // 32) * 4 if self.more & DWORDS else -(-self.count // 8)
                pixel = self.pixel_of(source[size * y + x // 8] >> (7 - x % 8) & 1)
            pixels.append(None if x < self.skip and not self.solid else pixel)
        return pixels

    def copy(self, memory):
        sign = -1 if self.mode & BACKWARDS else 1
        for y in range(self.height):
            to, at = self.dest + sign * y * self.dest_pitch, self.source + sign * y * self.source_pitch
            source = self.data[(self.width + 3 & ~3) * y:] if self.data else memory
            if not self.mode & TRANSPARENT:
                for x in range(self.width):
                    self.put(memory, to + sign * x, [source[x if self.data else at + sign * x]])
                continue
            if sign < 0:
                to, at = to - self.width + 1, at - self.width + 1
            line = bytes(source[x if self.data else at + x] for x in range(self.width))
            for x in range(0, self.width, self.pixel):
                new = bytes(ROPS[self.rop](line[x + i], memory[to + x + i]) & 255 for i in range(self.pixel))
                if new != self.key[:self.pixel]:
                    memory[to + x:to + x + self.pixel] = new

    def do(self, memory):
        if not self.mode & (PATTERN | EXPAND):
            self.copy(memory)
            return
        source = self.data or bytes(memory[self.source & ~7 if self.mode & PATTERN else self.source:])
        if self.mode & PATTERN:
            source = source[:8 * self.row()]
        for y in range(self.height):
            for x, pixel in enumerate(self.line(source, y)):
                if pixel:
                    self.put(memory, self.dest + y * self.dest_pitch + x * self.pixel, pixel)


KINDS = (0, BACKWARDS, TRANSPARENT, TRANSPARENT | BACKWARDS, PATTERN, PATTERN | EXPAND, PATTERN | EXPAND | TRANSPARENT, EXPAND,
         EXPAND | TRANSPARENT, FROM_CPU, FROM_CPU | TRANSPARENT, FROM_CPU | EXPAND, FROM_CPU | EXPAND | TRANSPARENT, FROM_CPU | PATTERN,
         FROM_CPU | PATTERN | EXPAND)
