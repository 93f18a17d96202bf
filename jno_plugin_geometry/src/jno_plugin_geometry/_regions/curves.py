"""The pieces of plane boundaries: straight segments and arcs of ellipses."""

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Segment:
    """The straight piece from `start` to `end`."""

    start: Float[np.ndarray, "2"]
    end: Float[np.ndarray, "2"]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Arc:
    """The piece `center + first cos t + second sin t` of an ellipse, for `t` from `begin` up to `end`.

    It turns to the left where `first, second` is a right-handed basis and by at most half a turn. The two need not be
    perpendicular.
    """

    center: Float[np.ndarray, "2"]
    first: Float[np.ndarray, "2"]
    second: Float[np.ndarray, "2"]
    begin: float
    end: float


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """Many pieces as arrays. Where `bent` is false, piece `i` is straight and only `starts` and `ends` count.

    `starts` and `ends` are the vertices between which pieces run; those of neighbours are the same to the last bit.
    """

    starts: Float[np.ndarray, "p 2"]
    ends: Float[np.ndarray, "p 2"]
    bent: Bool[np.ndarray, " p"]
    centers: Float[np.ndarray, "p 2"]
    firsts: Float[np.ndarray, "p 2"]
    seconds: Float[np.ndarray, "p 2"]
    begins: Float[np.ndarray, " p"]
    stops: Float[np.ndarray, " p"]

    @classmethod
    def straight(cls, starts: Float[np.ndarray, "p 2"], ends: Float[np.ndarray, "p 2"]) -> "Curves":
        zeros = np.zeros(len(starts))
        return cls(
            starts, ends, np.zeros(len(starts), bool), starts, ends - starts, np.zeros_like(starts), zeros, zeros + 1
        )

    @classmethod
    def ellipse(
        cls, center: Float[np.ndarray, "2"], first: Float[np.ndarray, "2"], second: Float[np.ndarray, "2"]
    ) -> "Curves":
        """A whole ellipse in two halves, with its inside on the left if `first, second` is a right-handed basis."""
        sides = np.stack([center + first, center - first])
        centers, firsts, seconds = (np.tile(vector, (2, 1)) for vector in (center, first, second))
        angles = np.array([0.0, np.pi, 2 * np.pi])
        return cls(sides, sides[::-1], np.ones(2, bool), centers, firsts, seconds, angles[:-1], angles[1:])

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, index: Int[np.ndarray, " k"] | Bool[np.ndarray, " p"]) -> "Curves":
        """Some of the pieces."""
        return Curves(*(getattr(self, field.name)[index] for field in dataclasses.fields(self)))

    @staticmethod
    def where(mask: Bool[np.ndarray, " p"], yes: "Curves", no: "Curves") -> "Curves":
        """For each place in the list the piece of `yes` or of `no`."""
        both = Curves.joined([yes, no])
        return both.take(np.where(mask, 0, len(yes)) + np.arange(len(yes)))

    @staticmethod
    def joined(parts: Sequence["Curves"]) -> "Curves":
        """The pieces of all."""
        names = [field.name for field in dataclasses.fields(Curves)]
        return Curves(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def views(self) -> list[Segment | Arc]:
        """Each piece by itself."""
        return [
            Arc(self.centers[i], self.firsts[i], self.seconds[i], float(self.begins[i]), float(self.stops[i]))
            if self.bent[i]
            else Segment(self.starts[i], self.ends[i])
            for i in range(len(self))
        ]

    def points(self, index: Int[np.ndarray, " k"], fraction: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k 2"]:
        """The points of pieces at fractions of their parameter intervals."""
        angle = (self.begins[index] + fraction * (self.stops - self.begins)[index])[:, None]
        arc = self.centers[index] + self.firsts[index] * np.cos(angle) + self.seconds[index] * np.sin(angle)
        line = self.starts[index] + fraction[:, None] * (self.ends - self.starts)[index]
        return np.where(self.bent[index, None], arc, line)

    def velocities(self, index: Int[np.ndarray, " k"], fraction: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k 2"]:
        """The derivatives of `points` by the parameter: the angle of arcs, the fraction of segments."""
        angle = (self.begins[index] + fraction * (self.stops - self.begins)[index])[:, None]
        arc = self.seconds[index] * np.cos(angle) - self.firsts[index] * np.sin(angle)
        return np.where(self.bent[index, None], arc, (self.ends - self.starts)[index])

    def normals(self, index: Int[np.ndarray, " k"], fraction: Float[np.ndarray, " k"]) -> Float[np.ndarray, "k 2"]:
        """The unit normals to the right, which is outward."""
        x, y = self.velocities(index, fraction).T
        return np.stack([y, -x], axis=1) / np.hypot(x, y)[:, None]

    def reversed(self) -> "Curves":
        """Each piece the other way round, at the same place in the list."""
        return Curves(
            self.ends, self.starts, self.bent, self.centers, self.firsts, -self.seconds, -self.stops, -self.begins
        )

    def moved(self, matrix: Float[np.ndarray, "2 2"], offset: Float[np.ndarray, "2"]) -> "Curves":
        """The images under `x -> matrix @ x + offset`, in the same direction along the pieces."""
        starts, ends, centers = (_times(matrix, array) + offset for array in (self.starts, self.ends, self.centers))
        firsts, seconds = _times(matrix, self.firsts), _times(matrix, self.seconds)
        return Curves(starts, ends, self.bent, centers, firsts, seconds, self.begins, self.stops)

    def cut(
        self, index: Int[np.ndarray, " k"], low: Float[np.ndarray, " k"], high: Float[np.ndarray, " k"]
    ) -> "Curves":
        """For each `k` what lies between the fractions `low` and `high` of piece `index`."""
        span = (self.stops - self.begins)[index]
        piece = self.take(index)
        starts, ends = self.points(index, low), self.points(index, high)
        begins, stops = piece.begins + low * span, piece.begins + high * span
        return dataclasses.replace(piece, starts=starts, ends=ends, begins=begins, stops=stops)

    def between(self, starts: Float[np.ndarray, "p 2"], ends: Float[np.ndarray, "p 2"], height: float) -> "Curves":
        """The pieces with other vertices close to their own; arcs no higher than `height` over their chords are straight."""
        every = np.arange(len(self))
        middles = self.points(every, np.full(len(self), 0.5))
        bent = self.bent & (np.hypot(*(middles - (self.starts + self.ends) / 2).T) > height)
        return dataclasses.replace(self, starts=starts, ends=ends, bent=bent)

    def turns(self) -> Float[np.ndarray, " p"]:
        """Twice the area that the radius of an arc sweeps in a unit of its parameter: positive if it turns left."""
        return np.where(self.bent, cross(self.firsts, self.seconds), 0.0)

    def area(self) -> float:
        """The area on the left of closed rings of pieces."""
        # Relative to a point nearby, so that little cancels far from the origin.
        near = np.mean(self.starts, axis=0)
        chords = cross(self.starts - near, self.ends - near)
        arcs = self.turns() * (self.stops - self.begins) + cross(self.centers - near, self.ends - self.starts)
        return float(np.sum(np.where(self.bent, arcs, chords)) / 2)

    def boxes(self) -> tuple[Float[np.ndarray, "p 2"], Float[np.ndarray, "p 2"]]:
        """The lower and upper corners of the tightest box around each piece."""
        low, high = np.minimum(self.starts, self.ends), np.maximum(self.starts, self.ends)
        # A coordinate of an ellipse is extreme at one angle and at the opposite one.
        angles = np.arctan2(self.seconds, self.firsts)
        reach = np.hypot(self.firsts, self.seconds)
        for sign, turn in ((1, 0.0), (-1, np.pi)):
            ahead = np.mod(angles + turn - self.begins[:, None], 2 * np.pi)
            there = self.bent[:, None] & (ahead <= (self.stops - self.begins)[:, None])
            extreme = self.centers + sign * reach
            low, high = np.where(there, np.minimum(low, extreme), low), np.where(there, np.maximum(high, extreme), high)
        return low, high

    def axes(self) -> tuple[Float[np.ndarray, "p 2"], Float[np.ndarray, "p 2"], Float[np.ndarray, " p"]]:
        """Perpendicular vectors for each ellipse, the longer one first, and the angle at which the first one points."""
        dot = np.sum(self.firsts * self.seconds, axis=1)
        shift = np.arctan2(2 * dot, np.sum(self.firsts**2, axis=1) - np.sum(self.seconds**2, axis=1)) / 2
        cos, sin = np.cos(shift)[:, None], np.sin(shift)[:, None]
        return self.firsts * cos + self.seconds * sin, self.seconds * cos - self.firsts * sin, shift


def cross(a: Float[np.ndarray, "... 2"], b: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "..."]:
    """The area that `a` and `b` span, positive if `b` points to the left of `a`."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _times(matrix: Float[np.ndarray, "2 2"], vectors: Float[np.ndarray, "k 2"]) -> Float[np.ndarray, "k 2"]:
    # Not `@`, which may round the same vector in two rows differently: neighbours must go on sharing their vertex.
    return vectors[:, :1] * matrix[:, 0] + vectors[:, 1:] * matrix[:, 1]
