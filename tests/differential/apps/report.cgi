#!/usr/bin/perl
# Says what the server made of a request (see readings.py). A field of a CGI answer has at most 8 KiB in Apache.
use strict;
use warnings;
use Digest::SHA 'sha1_hex';
use MIME::Base64 'encode_base64';

sub base64 { encode_base64($_[0] // '', '') }

my $body = do { local $/; binmode STDIN; <STDIN> } // '';
my $target = $ENV{REQUEST_URI};
my $said = length $target > 4000 ? '~' . sha1_hex($target) : base64($target);
my $read = join '.', base64($ENV{REQUEST_METHOD}), $said, base64($ENV{HTTP_HOST}), length $body, sha1_hex($body);
print "Content-Type: text/plain\r\nContent-Length: 5\r\nX-Read: $read\r\n\r\nread\n";
