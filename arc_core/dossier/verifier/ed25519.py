"""Ed25519 in pure Python, of which nothing but the check of a signature is needed: RFC 8032, section 5.1.7.

The arithmetic is that of its section 6. Nothing here is secret, so it need not take the same time for every
number; about 0.01 s for a signature.
"""

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # x, y, z, t: the coordinates are x/z and y/z, and t/z their product


def plus(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar: int, point: Point) -> Point:
    found = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = plus(found, point)
        point, scalar = plus(point, point), scalar >> 1
    return found


def decoded(content: bytes) -> Point:
    """The point of 32 bytes; ValueError where there is none."""
    number = int.from_bytes(content, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if len(content) != 32 or y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("it is no point of the curve")
    return (P - x if x & 1 != sign else x, y, 1, (P - x if x & 1 != sign else x) * y % P)


BASE = decoded((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is of `message` by the public `key` (32 bytes)."""
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER:
        return False
    try:
        public, nonce = decoded(key), decoded(signature[:32])
    except ValueError:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = times(scalar, BASE), plus(nonce, times(k, public))
    return all((left[axis] * right[2] - right[axis] * left[2]) % P == 0 for axis in (0, 1))
