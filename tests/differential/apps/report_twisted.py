"""twisted.web says what it made of a request."""

import sys

from report_field import value
from twisted.internet import reactor
from twisted.web import http


class Report(http.Request):
    def process(self):
        body = self.content.read()
        self.setHeader(b"X-Read", value(self.method, self.uri, self.getHeader("host"), body).encode())
        self.setHeader(b"Content-Length", b"5")
        if self.method != b"HEAD":
            self.write(b"read\n")
        self.finish()


class Channel(http.HTTPChannel):
    requestFactory = Report
    totalHeadersSize = 262144
    MAX_LENGTH = 65536  # of a line
    maxHeaders = 300


class Factory(http.HTTPFactory):
    protocol = Channel


reactor.listenTCP(int(sys.argv[1]), Factory(timeout=600), interface="127.0.0.1")
reactor.run()
