"""aiohttp says what it made of a request."""

import sys

from aiohttp import web
from report_field import value


async def report(request):
    body = await request.content.read()  # request.read() has a limit of its own
    field = value(request.method, request.raw_path, request.headers.get("Host"), body)
    return web.Response(body=b"read\n", headers={"X-Read": field})


async def serve():
    """A plain server: no router that might have an opinion on targets."""
    server = web.Server(report, keepalive_timeout=600, max_line_size=65536, max_field_size=65536)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()


def main():
    import asyncio  # pylint: disable=import-outside-toplevel
    loop = asyncio.new_event_loop()
    loop.run_until_complete(serve())
    loop.run_forever()


main()
