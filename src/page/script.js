// What changes while somebody looks. Without this file all views work: they show what is so when they are asked for.
'use strict';
(() => {
  const live = document.getElementById('live');
  const say = text => { if (live && live.textContent !== text) live.textContent = text; };
  document.documentElement.classList.add('live');

  // Asks for the view again and puts its parts in place of the old ones. What somebody has opened or focused stays so.
  let asked = false, again = false, last = 0;
  async function refresh() {
    if (asked) { again = true; return; }
    asked = true;
    const wait = last + 1000 - Date.now();
    if (wait > 0) await new Promise(done => setTimeout(done, wait));
    last = Date.now();
    try {
      const response = await fetch(location.href, { headers: { accept: 'text/html' } });
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
      const note = document.querySelector('.brand span'), newNote = fresh.querySelector('.brand span');
      if (note && newNote) note.textContent = newNote.textContent;
      for (const part of document.querySelectorAll('[data-live]')) {
        const other = fresh.getElementById(part.id);
        if (other && other.innerHTML !== part.innerHTML) replace(part, document.adoptNode(other));
      }
    } catch { /* The stream says when the server is back. */ }
    asked = false;
    if (again) { again = false; refresh(); }
  }
  function replace(part, other) {
    const rows = new Map([...part.querySelectorAll('[data-key]')].map(row => [row.dataset.key, row.textContent]));
    for (const row of other.querySelectorAll('[data-key]')) {
      if (rows.get(row.dataset.key) !== row.textContent) row.classList.add('changed');
    }
    const focused = part.contains(document.activeElement) ? [...part.querySelectorAll('a,summary,[tabindex]')].indexOf(document.activeElement) : -1;
    const open = [...part.querySelectorAll('details')].map(details => details.open);
    part.replaceWith(other);
    [...other.querySelectorAll('details')].forEach((details, at) => { details.open = open[at] ?? false; });
    if (focused >= 0) other.querySelectorAll('a,summary,[tabindex]')[focused]?.focus();
    say('Something has changed: this view is up to date.');
  }

  // Queries as they come, the newest first.
  const table = document.getElementById('queries');
  const body = table?.tBodies[0];
  const pause = document.getElementById('pause');
  let after = Number(table?.dataset.after ?? 0), paused = false;
  function cell(row, text, more) {
    const made = row.insertCell();
    if (more === undefined) { made.textContent = text; return made; }
    const [first, second] = [document.createElement(more[0]), document.createElement(more[1])];
    first.textContent = text[0];
    second.textContent = text[1];
    made.append(first, ' ', second);
    return made;
  }
  function show(query) {
    after = query.number;
    const row = body.insertRow(0);
    row.className = 'changed';
    cell(row, new Date(query.time).toISOString().slice(11, 19));
    cell(row, query.client);
    cell(row, query.network);
    cell(row, [query.qname.replace(/\.$/, ''), query.qtype], ['code', 'span']);
    cell(row, [query.rcode, query.answer.join(', ')], ['strong', 'code']);
    cell(row, `${query.through} ${query.zone ?? ''}`);
    cell(row, (query.latency_us / 1000).toFixed(2)).className = 'number';
    while (body.rows.length > 256) body.deleteRow(-1);
    document.getElementById('none').hidden = true;
    table.parentElement.hidden = false;
  }

  // One stream while the view can be seen.
  let stream;
  function watch() {
    stream?.close();
    stream = undefined;
    if (document.visibilityState !== 'visible' || paused) return;
    const url = new URL('/live', location.href);
    if (table) {
      url.searchParams.set('queries', table.dataset.network);
      url.searchParams.set('after', String(after));
    }
    stream = new EventSource(url);
    stream.addEventListener('change', refresh);
    if (table) stream.addEventListener('query', event => show(JSON.parse(event.data)));
    stream.onopen = () => say('Live');
    stream.onerror = () => say('Not live: the server does not answer, or too many pages are open.');
  }
  if (pause) {
    pause.hidden = false;
    pause.addEventListener('click', () => {
      paused = !paused;
      pause.textContent = paused ? 'Go on' : 'Pause';
      if (paused) say('Paused');
      watch();
    });
  }
  let seen = false;
  document.addEventListener('visibilitychange', () => {
    watch();
    if (seen && document.visibilityState === 'visible' && !table) refresh();
    seen = true;
  });
  watch();
})();
