"""A backend that keeps every request until the test lets it go, and counts how many it had at once."""

import threading

from harness import http1
from harness.wait import TIMEOUT


class Hall:
    """`backend(hall.handler)`; requests are told apart by their targets."""

    def __init__(self, open_doors=False):
        self._changed = threading.Condition()
        self._open = open_doors
        self._leaving = set()
        self.order = []  # the targets as they came
        self.inside = []
        self.most = 0

    def handler(self, connection):
        while True:
            request = connection.read_request()
            self._enter(request.target)
            connection.send(http1.response_text(200, [("Content-Type", "text/plain")], b"" if request.method == "HEAD" else b"done"))

    def _enter(self, target):
        with self._changed:
            self.order.append(target)
            self.inside.append(target)
            self.most = max(self.most, len(self.inside))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._open or target in self._leaving, TIMEOUT * 3)
            self._leaving.discard(target)
            self.inside.remove(target)

    def release(self, target):
        """Answers the request that has this target, now or when it comes."""
        with self._changed:
            self._leaving.add(target)
            self._changed.notify_all()

    def open(self):
        """Answers everything from now on."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def wait_order(self, count):
        """The targets in the order of their arrival, once there are `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.order) >= count, TIMEOUT), f"{self.order} instead of {count} requests"
            return list(self.order)
