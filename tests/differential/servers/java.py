"""Tomcat and Jetty. The application is a JSP, which the servers compile themselves: no JDK is needed."""

import pathlib
import shutil

APP = pathlib.Path(__file__).resolve().parent.parent / "apps" / "report.jsp"

WEB_XML = """<?xml version="1.0" encoding="UTF-8"?>
<web-app version="3.1">
  <servlet>
    <servlet-name>report</servlet-name><jsp-file>/report.jsp</jsp-file><load-on-startup>1</load-on-startup>
  </servlet>
  <servlet-mapping><servlet-name>report</servlet-name><url-pattern>/*</url-pattern></servlet-mapping>
</web-app>
"""

# What Debian's own conf/web.xml says about JSPs, and nothing else of it.
TOMCAT_WEB_XML = """<?xml version="1.0" encoding="UTF-8"?>
<web-app version="5.0">
  <servlet>
    <servlet-name>jsp</servlet-name><servlet-class>org.apache.jasper.servlet.JspServlet</servlet-class>
    <init-param><param-name>development</param-name><param-value>false</param-value></init-param>
    <load-on-startup>1</load-on-startup>
  </servlet>
</web-app>
"""

SERVER_XML = """<?xml version="1.0" encoding="UTF-8"?>
<Server port="-1">
  <Service name="Catalina">
    <Connector port="{port}" address="127.0.0.1" protocol="HTTP/1.1" maxHttpHeaderSize="65536" maxHeaderCount="300"
               maxKeepAliveRequests="-1" keepAliveTimeout="600000" connectionTimeout="60000" maxThreads="16"
               minSpareThreads="2" encodedSolidusHandling="passthrough"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Host name="localhost" appBase="webapps" autoDeploy="false" unpackWARs="false"/>
    </Engine>
  </Service>
</Server>
"""

# Small and quick to start: two cores are shared with everything else.
_JVM = ["/usr/bin/java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def _webapp(root):
    (root / "WEB-INF").mkdir(parents=True)
    (root / "WEB-INF" / "web.xml").write_text(WEB_XML, encoding="utf-8")
    shutil.copy(APP, root / "report.jsp")


def tomcat(site):
    base = site.directory
    for name in ("conf", "logs", "temp", "work"):
        (base / name).mkdir()
    (base / "conf" / "server.xml").write_text(SERVER_XML.format(port=site.port), encoding="utf-8")
    (base / "conf" / "web.xml").write_text(TOMCAT_WEB_XML, encoding="utf-8")
    shutil.copy("/etc/tomcat10/catalina.properties", base / "conf")
    _webapp(base / "webapps" / "ROOT")
    home = pathlib.Path("/usr/share/tomcat10")
    return [*_JVM, f"-Dcatalina.home={home}", f"-Dcatalina.base={base}", f"-Djava.io.tmpdir={base}/temp",
            "-cp", f"{home}/bin/bootstrap.jar:{home}/bin/tomcat-juli.jar", "org.apache.catalina.startup.Bootstrap",
            "start"]


def jetty(site):
    _webapp(site.directory / "webapps" / "ROOT")
    (site.directory / "start.d").mkdir()
    return [*_JVM, f"-Djava.io.tmpdir={site.directory}", "-jar", "/usr/share/jetty9/start.jar",
            "jetty.home=/usr/share/jetty9", f"jetty.base={site.directory}",
            "--module=http,deploy,jsp,annotations", "jetty.http.host=127.0.0.1", f"jetty.http.port={site.port}",
            "jetty.http.idleTimeout=600000", "jetty.httpConfig.requestHeaderSize=65536",
            "jetty.httpConfig.responseHeaderSize=65536"]
