// The Review page in the browser: the record that is looked at, the next ones loaded already, and what was decided but
// not yet confirmed. A key is answered here at once; the server is told meanwhile, and told again until it confirms.

const MARKS = ["harmless", "honest", "helpful"];
const MOST_CELLS = 4_000_000; // of the table that a difference is found in
const TOKEN = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]|(?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}])[\p{L}\p{N}\p{M}_])+|\s+|./gsu;

// Return what changed, by words, and by characters where a script has no words: [{kind: same | gone | new, text}].
function difference(before, after) {
  const old = before.match(TOKEN) ?? [], young = after.match(TOKEN) ?? [];
  let head = 0;
  while (head < old.length && head < young.length && old[head] === young[head]) head++;
  let tail = 0;
  while (tail < Math.min(old.length, young.length) - head && old[old.length - 1 - tail] === young[young.length - 1 - tail]) tail++;
  const a = old.slice(head, old.length - tail), b = young.slice(head, young.length - tail);
  const pieces = [["same", old.slice(0, head)], ...changes(a, b), ["same", old.slice(old.length - tail)]];
  return pieces.map(([kind, tokens]) => ({ kind, text: tokens.join("") })).filter((piece) => piece.text);
}

function changes(a, b) {
  if (a.length * b.length > MOST_CELLS) return [["gone", a], ["new", b]];
  const wide = b.length + 1, common = new Uint16Array((a.length + 1) * wide); // longest common rests
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * wide + j] = a[i] === b[j] ? common[(i + 1) * wide + j + 1] + 1
        : Math.max(common[(i + 1) * wide + j], common[i * wide + j + 1]);
  const pieces = [["same", []]];
  let i = 0, j = 0, gone = [], young = [];
  const end = () => {
    if (gone.length || young.length) pieces.push(["gone", gone], ["new", young], ["same", []]);
    gone = [], young = [];
  };
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      if ((gone.length || young.length) && !a[i].trim() && (a[i + 1] !== b[j + 1] || i + 1 === a.length)) {
        gone.push(a[i++]), young.push(b[j++]); // a blank between changes is no rest to read
      } else {
        end();
        pieces.at(-1)[1].push(a[i++]), j++;
      }
    } else if (i < a.length && (j === b.length || common[(i + 1) * wide + j] >= common[i * wide + j + 1])) gone.push(a[i++]);
    else young.push(b[j++]);
  }
  end();
  return pieces;
}

const fresh = () => ({ scores: {}, tags: "", comment: "", texts: null });

export default {
  props: { words: Object, place: String, command: String },
  emits: ["hello", "decide", "undo", "look", "hold"],
  data: () => ({
    queue: [], pending: [], done: [], lost: [], // items; decisions under way; what undo brings back; what was not taken
    draft: fresh(), editing: false, mark: 0, beside: true, said: "", gone: "", ready: false, counts: null,
  }),
  computed: {
    item() { return this.queue.find((item) => !this.pending.some((one) => one.key === item.key)) ?? null; },
    key() { return this.item?.key ?? ""; },
    edited() {
      const texts = this.draft.texts;
      return Boolean(this.item && texts && this.item.messages.some((turn, place) => turn.content !== texts[place]));
    },
    changed() {
      if (!this.edited) return [];
      return this.item.messages
        .map((turn, place) => ({ role: turn.role, before: turn.content, after: this.draft.texts[place] }))
        .filter((turn) => turn.before !== turn.after)
        .map((turn) => ({ role: turn.role, pieces: difference(turn.before, turn.after) }));
    },
    left() { return this.counts ? Math.max(0, this.counts.queued - this.counts.decided) : null; },
  },
  watch: {
    key: "begin",
    draft: { handler: "save", deep: true },
  },
  mounted() {
    this.pending = this.stored("pending", []);
    this.lost = this.stored("lost", []);
    this.beside = this.stored("beside", innerWidth >= 1100);
    document.addEventListener("keydown", this.press);
    this.again = setInterval(this.resend, 5000);
    this.$emit("hello", this.pending.map(({ key, decision }) => ({ key, decision })));
  },
  unmounted() {
    document.removeEventListener("keydown", this.press);
    clearInterval(this.again);
  },
  methods: {
    // What the server says.
    take({ order, items, answered, error, undone }) {
      const known = new Map([...this.queue, ...items].map((item) => [item.key, item]));
      const mine = this.pending.find((one) => one.key === answered);
      this.pending = this.pending.filter((one) => one.key !== answered);
      if (mine && error) this.fail(mine, error);
      if (mine && !error) this.forget(`draft/${answered}`);
      if (undone) {
        this.pending = this.pending.filter((one) => one.key !== undone);
        const before = this.done.find((one) => one.key === undone);
        if (before) this.keep(`draft/${undone}`, before.draft);
        this.done = this.done.filter((one) => one !== before);
      }
      this.queue = order.map((key) => known.get(key)).filter(Boolean);
      this.keep("pending", this.pending);
      this.ready = true;
    },
    nothing() { this.say(this.done.length || this.counts?.mine ? this.words.elsewhere : this.words.nothing); },
    stop(text) { this.gone = text; }, // what is pending stays here, and is sent when the page is loaded again
    count(counts) { this.counts = counts; },
    reload() { location.reload(); },
    toggle() {
      this.beside = !this.beside;
      this.keep("beside", this.beside);
      this.look();
    },

    // What the person does.
    begin() {
      this.draft = { ...fresh(), ...this.stored(`draft/${this.key}`, {}) };
      this.editing = this.edited;
      this.write();
      this.mark = 0;
      this.since = performance.now();
      if (!this.item) return;
      scrollTo(0, 0);
      this.look();
    },
    look() { // those who pass a record quickly do not look beside it
      clearTimeout(this.looking);
      if (this.beside && this.item) this.looking = setTimeout(() => this.$emit("look", this.key), 600);
    },
    save() {
      if (!this.item) return;
      const { scores, tags, comment, texts } = this.draft;
      if (Object.keys(scores).length || tags || comment || texts) this.keep(`draft/${this.key}`, this.draft);
      else this.forget(`draft/${this.key}`);
      this.hold();
    },
    hold() { // who writes for long keeps the record
      if (performance.now() - (this.held ?? 0) < 60_000) return;
      this.held = performance.now();
      this.$emit("hold");
    },
    decide(verdict) {
      if (!this.item) return;
      if (this.gone) return this.say(this.gone);
      if (this.edited && verdict !== "edit") return this.say(this.words.unfinished);
      if (verdict === "edit" && !this.edited) return this.say(this.words.unchanged);
      const { scores, tags, comment, texts } = JSON.parse(JSON.stringify(this.draft));
      const decision = { verdict, scores, comment, seconds: Math.min((performance.now() - this.since) / 1000, 86_400) };
      decision.tags = [...new Set(tags.split(/[,，、;；]/).map((tag) => tag.trim()).filter(Boolean))];
      if (verdict === "edit") decision.messages = this.item.messages.map((turn, place) => ({ role: turn.role, content: texts[place] }));
      const one = { key: this.key, decision, sent: performance.now() };
      this.done = [{ key: this.key, draft: { scores, tags, comment, texts } }, ...this.done].slice(0, 50);
      this.keep("pending", [...this.pending, one]);
      this.$emit("decide", { key: one.key, decision });
      this.editing = false;
      this.pending = [...this.pending, one];
      this.say(this.words.done[verdict]);
    },
    edit() {
      if (!this.item) return;
      this.draft.texts ??= this.item.messages.map((turn) => turn.content);
      this.editing = true;
      this.write();
    },
    write() { // where an edit is open, its last field is written in
      this.$nextTick(() => {
        for (const field of this.$el.querySelectorAll(".desk textarea")) this.grow(field);
        const field = [...this.$el.querySelectorAll("article textarea")].at(-1);
        field?.focus();
        field?.setSelectionRange(field.value.length, field.value.length);
      });
    },
    leave() {
      this.editing = false;
      if (!this.edited) this.draft.texts = null;
      document.activeElement?.blur();
    },
    discard() {
      this.draft.texts = null;
      this.editing = false;
      document.activeElement?.blur();
    },
    undo() {
      this.$emit("undo");
      this.say(this.words.undoing);
    },
    score(value) {
      if (!value) this.draft.scores = {};
      else this.draft.scores[MARKS[this.mark]] = value;
      this.mark = value ? (this.mark + 1) % MARKS.length : 0;
    },
    rate(name, value) {
      if (this.draft.scores[name] === value) delete this.draft.scores[name];
      else this.draft.scores[name] = value;
    },
    press(event) {
      const field = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (event.isComposing || event.keyCode === 229 && field) return;
      if (field) return this.$el.contains(field) ? this.typed(event, field) : undefined;
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (document.documentElement.classList.contains("nicegui-dialog-open")) return;
      // Under another alphabet, or an input method, the place of the key counts.
      const key = /^[a-z0-9]$/i.test(event.key) ? event.key.toLowerCase() : event.code.replace(/^(Key|Digit|Numpad)/, "").toLowerCase();
      const does = {
        a: () => this.decide("accept"), r: () => this.decide("reject"), s: () => this.decide("skip"), e: this.edit,
        u: this.undo, z: this.undo, d: this.toggle, x: this.discard,
        t: () => this.$refs.tags?.focus(), c: () => this.$refs.comment?.focus(),
      }[key] ?? (this.item && /^[0-5]$/.test(key) ? () => this.score(Number(key)) : null);
      if (!does) return;
      event.preventDefault();
      does();
    },
    typed(event, field) {
      const writes = field.closest("article");
      if (event.key === "Escape") writes ? this.leave() : field.blur();
      else if (event.key === "Enter" && writes && (event.ctrlKey || event.metaKey)) this.decide("edit");
      else if (event.key === "Enter" && !writes && !event.shiftKey) field.blur();
      else return;
      event.preventDefault();
    },
    grow(field) {
      field.style.height = "auto";
      field.style.height = `${field.scrollHeight + 2}px`;
    },
    difference,

    // What is safe.
    fail(one, error) {
      const { messages, comment } = one.decision;
      const before = this.done.find((done) => done.key === one.key);
      this.done = this.done.filter((done) => done !== before);
      const text = [...(messages ?? []).map((turn) => turn.content), comment].filter(Boolean).join("\n\n");
      this.lost = [...this.lost, { error, text }];
      this.keep("lost", this.lost);
    },
    dismiss() {
      this.lost = [];
      this.forget("lost");
    },
    resend() {
      for (const one of this.gone ? [] : this.pending)
        if (performance.now() - (one.sent ?? 0) > 10_000) {
          one.sent = performance.now();
          this.$emit("decide", { key: one.key, decision: one.decision });
        }
    },
    say(text) { this.said = text; },
    stored(name, other) {
      try { return JSON.parse(localStorage.getItem(`${this.place}/${name}`)) ?? other; } catch { return other; }
    },
    keep(name, value) {
      try { localStorage.setItem(`${this.place}/${name}`, JSON.stringify(value)); } catch { /* no room, or not allowed */ }
    },
    forget(name) {
      try { localStorage.removeItem(`${this.place}/${name}`); } catch { /* not allowed */ }
    },
    fill(text, values) { return text.replace(/\{(\w+)\}/g, (_, name) => values[name]?.toLocaleString() ?? ""); },
  },
  template: `
<div class="review" :class="{ alone: !beside }">
  <div class="far" v-if="counts">
    <progress :value="counts.decided" :max="Math.max(counts.queued, 1)" :aria-label="words.progress"></progress>
    <span>{{ fill(words.counted, { ...counts, left }) }}</span>
    <span class="saving" v-if="pending.length > 3">{{ fill(words.saving, { count: pending.length }) }}</span>
  </div>
  <p class="unseen" role="status">{{ said }}</p>
  <section class="lost" role="alert" v-if="gone">
    <p>{{ gone }}</p>
    <button type="button" class="plain" @click="reload">{{ words.again }}</button>
  </section>
  <section class="lost" role="alert" v-if="lost.length">
    <div v-for="one in lost">
      <p><strong>{{ words.lost }}</strong> {{ one.error }}</p>
      <pre v-if="one.text" tabindex="0">{{ one.text }}</pre>
    </div>
    <button type="button" class="plain" @click="dismiss">{{ words.dismiss }}</button>
  </section>
  <section class="state" v-if="!ready" role="status"><p>{{ words.loading }}</p></section>
  <section class="state" v-else-if="!item && pending.length" role="status"><p>{{ words.loading }}</p></section>
  <section class="state" v-else-if="!item">
    <h2>{{ left ? words.yours : words.all }}</h2>
    <p>{{ left ? fill(words.others, { left }) : words.on }}</p>
    <code v-if="!left">{{ command }}</code>
    <button type="button" class="plain" @click="undo"><kbd>u</kbd> {{ words.undo }}</button>
  </section>
  <div class="desk" v-else>
    <div class="record-side">
      <article :aria-label="words.record" :data-key="key">
        <section v-for="(turn, place) in item.messages" class="said-by" :class="turn.role">
          <h2 :id="'said-' + place">{{ turn.name }}</h2>
          <textarea v-if="editing" v-model="draft.texts[place]" :aria-labelledby="'said-' + place" rows="1"
            @input="grow($event.target)" spellcheck="false"></textarea>
          <p v-else class="said">{{ turn.content }}</p>
        </section>
      </article>
      <section class="change" v-if="changed.length" :aria-label="words.change">
        <h2>{{ words.change }}</h2>
        <p v-for="turn in changed" class="difference"><component v-for="piece in turn.pieces"
          :is="{ same: 'span', gone: 'del', new: 'ins' }[piece.kind]">{{ piece.text }}</component></p>
      </section>
      <p class="note" v-if="edited && !editing">{{ words.unfinished }}</p>
      <div class="verdicts" v-if="editing">
        <button type="button" class="verdict accept" @click="decide('edit')"><kbd>Ctrl</kbd><kbd>Enter</kbd> {{ words.save }}</button>
        <button type="button" class="verdict" @click="leave"><kbd>Esc</kbd> {{ words.leave }}</button>
        <button type="button" class="verdict" aria-keyshortcuts="x" @click="discard"><kbd>x</kbd> {{ words.discard }}</button>
      </div>
      <div class="verdicts" v-else>
        <button type="button" class="verdict accept" aria-keyshortcuts="a" @click="decide('accept')"><kbd>a</kbd> {{ words.accept }}</button>
        <button type="button" class="verdict" aria-keyshortcuts="e" @click="edit"><kbd>e</kbd> {{ words.edit }}</button>
        <button type="button" class="verdict reject" aria-keyshortcuts="r" @click="decide('reject')"><kbd>r</kbd> {{ words.reject }}</button>
        <button type="button" class="verdict" aria-keyshortcuts="s" @click="decide('skip')"><kbd>s</kbd> {{ words.skip }}</button>
        <button type="button" class="verdict" aria-keyshortcuts="u z" @click="undo"><kbd>u</kbd> {{ words.undo }}</button>
      </div>
      <div class="marks">
        <div v-for="(name, place) in ['harmless', 'honest', 'helpful']" class="mark" role="group" :aria-label="words.marks[name]"
          :class="{ now: place === mark }">
          <span>{{ words.marks[name] }}</span>
          <button v-for="value in 5" type="button" :aria-pressed="String(draft.scores[name] === value)" @click="rate(name, value)"
            >{{ value }}</button>
        </div>
        <label><span><kbd>t</kbd> {{ words.tags }}</span><input ref="tags" v-model="draft.tags" :placeholder="words.apart"></label>
        <label><span><kbd>c</kbd> {{ words.comment }}</span><textarea ref="comment" rows="1" v-model="draft.comment"
          @input="grow($event.target)"></textarea></label>
      </div>
      <p class="note keyline">{{ words.keys }}</p>
    </div>
    <aside :aria-label="words.beside">
      <section class="why">
        <h2>{{ words.why }}</h2>
        <ul><li v-for="one in item.why">{{ one }}</li></ul>
      </section>
      <section class="judge" v-if="item.judge">
        <h2>{{ words.judge }}</h2>
        <dl><template v-for="[name, value] in item.judge.marks"><dt>{{ name }}</dt><dd>{{ value }}</dd></template></dl>
        <p class="said" v-if="item.judge.reason">{{ item.judge.reason }}</p>
      </section>
      <section v-if="item.opinions.length" class="opinions">
        <h2>{{ words.opinions }}</h2>
        <div v-for="one in item.opinions">
          <p><strong>{{ one.verdict }}</strong> {{ one.said }}</p>
          <p v-for="(text, place) in one.texts"><template v-if="text !== item.messages[place]?.content"><span class="difference"><component
            v-for="piece in difference(item.messages[place]?.content ?? '', text)"
            :is="{ same: 'span', gone: 'del', new: 'ins' }[piece.kind]">{{ piece.text }}</component></span></template></p>
        </div>
      </section>
      <button type="button" class="plain" @click="toggle" :aria-expanded="String(beside)"><kbd>d</kbd> {{ beside ? words.less : words.more }}</button>
      <div v-show="beside"><slot></slot></div>
    </aside>
  </div>
</div>`,
};
