'use strict';
// A browser's end of some exchanges and of a close by each side; reports the results.

const SOCKETS = 4;
const COUNT = 100;
const connect = (target) => new WebSocket(`ws://${location.host}${target}`);
const closed = (socket) => new Promise((resolve) => {
  socket.onclose = (event) => resolve({code: event.code, reason: event.reason, clean: event.wasClean});
});

async function exchangeOne(id) {
  const socket = connect(`/exchange?id=page${id}&seed=${3000 + id}&count=${COUNT}`);
  const sums = await exchange(socket, 4000 + id, COUNT);
  const end = closed(socket);
  socket.close(4000, 'fertig, schön');
  return {id: `page${id}`, ...sums, extensions: socket.extensions, closed: await end};
}

async function main() {
  const report = {};
  try {
    report.exchanges = await Promise.all(Array.from({length: SOCKETS}, (_, id) => exchangeOne(id)));
    report.byServer = await closed(connect('/close?id=page-close&code=4321&reason=f%C3%BCr%20heute'));
    const refused = connect('/refuse/403?id=page-refused');
    report.refused = await closed(refused);
  } catch (error) {
    report.error = String(error);
  }
  await fetch('/report', {method: 'POST', body: JSON.stringify(report)});
}

main();
