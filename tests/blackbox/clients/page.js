'use strict';
// Performs the planned requests in a browser, each by the means its case names, and reports all results at the end.

const PARALLEL = 8;
const nothing = async () => ({status: 0, fields: null, size: 0, sha256: await sha256(new ArrayBuffer(0))});

async function listen(case_) {
  const source = new EventSource(case_.target);
  const data = await new Promise((resolve, reject) => {
    const events = [];
    source.onmessage = (event) => {
      events.push(event.data);
      if (event.data === 'done') resolve(events);
    };
    source.onerror = () => reject(new Error(`events broke off after ${events.length}`));
  });
  source.close();
  const bytes = new TextEncoder().encode(data.join('\n'));
  return {status: 200, fields: null, size: bytes.length, sha256: await sha256(bytes)};
}

function load(tag, attributes) {
  const element = document.createElement(tag);
  return new Promise((resolve, reject) => {
    element.onload = () => resolve(element);
    element.onerror = () => reject(new Error(`${tag} did not load`));
    Object.assign(element, attributes);
    document.body.append(element);
  });
}

async function postForm(case_) {
  const frame = document.createElement('iframe');
  frame.name = case_.name;
  document.body.append(frame);
  const form = document.createElement('form');
  Object.assign(form, {method: 'POST', action: case_.target, target: case_.name});
  for (const [name, value] of case_.options.form) {
    form.append(Object.assign(document.createElement('input'), {name, value}));
  }
  document.body.append(form);
  await new Promise((resolve) => {
    frame.onload = resolve;
    form.submit();
  });
  return [frame, form];
}

async function loadElement(case_) {
  const what = case_.options.element;
  if (what === 'beacon') navigator.sendBeacon(case_.target, 'beacon');
  if (what === 'script') (await load('script', {src: case_.target})).remove();
  if (what === 'image') (await load('img', {src: case_.target})).remove();
  if (what === 'frame') (await load('iframe', {src: case_.target})).remove();
  if (what === 'post') (await postForm(case_)).forEach((element) => element.remove());
  return nothing();
}

async function perform(case_) {
  if (case_.kind === 'events') return listen(case_);
  if (case_.kind === 'element') return loadElement(case_);
  if (case_.kind === 'revalidated') await fetchCase('', case_);
  const origin = case_.options.cross_origin ? `http://localhost:${location.port}` : '';
  return fetchCase(origin, case_);
}

async function main() {
  const plan = await (await fetch('/plan.json')).json();
  const results = [];
  await performAll(plan.cases, PARALLEL, perform, (result) => results.push(result));
  await fetch('/report', {method: 'POST', body: JSON.stringify(results)});
}

main();
