<%@ page session="false" isErrorPage="true" trimDirectiveWhitespaces="true" import="java.io.*,java.security.*,java.util.*" %><%!
  static String base64(String text) throws Exception {
    return Base64.getEncoder().encodeToString((text == null ? "" : text).getBytes("ISO-8859-1"));
  }
%><%
  // Says what the server made of the request (see readings.py).
  MessageDigest digest = MessageDigest.getInstance("SHA-1");
  InputStream body = request.getInputStream();
  byte[] buffer = new byte[8192];
  long octets = 0;
  for (int count = body.read(buffer); count >= 0; count = body.read(buffer)) {
    digest.update(buffer, 0, count);
    octets += count;
  }
  StringBuilder hex = new StringBuilder();
  for (byte octet : digest.digest()) hex.append(String.format("%02x", octet));
  String query = request.getQueryString();
  String target = request.getRequestURI() + (query == null ? "" : "?" + query);
  response.setStatus(200);
  response.setHeader("X-Read", base64(request.getMethod()) + "." + base64(target) + "." + base64(request.getHeader("Host"))
      + "." + octets + "." + hex);
  response.setContentType("text/plain");
  response.setContentLength(5);
  out.print("read\n");
%>
