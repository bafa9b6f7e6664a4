"""waitress with the WSGI application."""

import sys

from report_wsgi import application
from waitress import serve

serve(application, host="127.0.0.1", port=int(sys.argv[1]), threads=8, channel_timeout=600,
      max_request_header_size=262144)
