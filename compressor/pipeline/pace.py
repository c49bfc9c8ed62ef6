"""How fast a run is, and how long the rest takes, from what is seen of it every second or so.

Only time counts in which a replica was there to work: neither the start of Ray and of models, nor
the pause between two waves, nor that after a crash says anything of the speed. Rows that an earlier
run did are no part of it either.
"""

from collections import deque

WINDOW_SECONDS = 120.0
FEWEST = 10  # marks that are kept, however long ago they were: large shards end rarely


class Pace:
    """The last marks (seconds of work, rows, tokens), one whenever rows have been added."""

    def __init__(self) -> None:
        self._seen: float | None = None
        self._worked = 0.0
        self._marks: deque[tuple[float, int, int]] = deque([(0.0, 0, 0)])

    def see(self, now: float, *, working: bool, rows: int, tokens: int) -> None:
        """What is so at `now` (seconds of any clock): whether replicas work, what this run did."""
        if self._seen is not None and working:
            self._worked += now - self._seen
        self._seen = now
        if rows > self._marks[-1][1]:
            self._marks.append((self._worked, rows, tokens))
        outdated = self._worked - WINDOW_SECONDS
        while len(self._marks) > FEWEST and self._marks[1][0] <= outdated:
            self._marks.popleft()

    def speed(self) -> tuple[float, float]:
        """Rows and tokens a second of work lately; zeros as long as nothing is done."""
        (begun, rows_before, tokens_before), (last, rows, tokens) = self._marks[0], self._marks[-1]
        gaps = len(self._marks) - 1
        if not gaps:
            return 0.0, 0.0
        # Since the last mark something is under way; it counts once it takes longer than usual.
        usual = (last - begun) / gaps
        seconds = max(last, self._worked - usual) - begun
        if seconds <= 0:
            return 0.0, 0.0
        return (rows - rows_before) / seconds, (tokens - tokens_before) / seconds

    def left(self, rows: int) -> float | None:
        """Seconds of work until so many `rows` more are done; None as long as nothing is known."""
        speed, _ = self.speed()
        if not speed:
            return None
        return max(0.0, rows / speed - (self._worked - self._marks[-1][0]))
