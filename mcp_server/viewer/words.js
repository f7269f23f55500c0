// A transcript: the whole text, or each stretch with its time.
function showWords(data) {
  const box = element("figure");
  view.append(box);
  if (data.segments?.length) box.append(element("div", { className: "scroll" }, timetable(data.segments)));
  else box.append(element("blockquote", { textContent: data.text || "No speech was heard." }));
  const facts = [data.language, data.duration && `${data.duration} s`, data.model].filter(Boolean).join(", ");
  box.append(element("p", { className: "quiet", textContent: facts }));
  if (data.path) box.append(element("p", { className: "quiet", textContent: data.path }));
  if (data.uri) box.append(...saveForm(data.uri, "transcript.txt"));
}

function timetable(segments) {
  const table = element("table");
  for (const { start, text } of segments) {
    table.append(element("tr", {}, element("td", { textContent: clock(start) }), element("td", { textContent: text })));
  }
  return table;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
