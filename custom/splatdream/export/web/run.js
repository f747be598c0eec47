// The buttons and the slider of the page about a run.
'use strict';

const root = document.documentElement;
document.getElementById('theme').addEventListener('click', () => {
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = isDark ? 'light' : 'dark';
});

const truth = document.getElementById('truth');
truth?.addEventListener('click', () => {
  const isShown = document.getElementById('all-round').classList.toggle('with-truth');
  truth.setAttribute('aria-pressed', String(isShown));
});

const time = document.getElementById('time');
function showTime() {
  document.querySelectorAll('#history img').forEach((picture, index) => {
    picture.hidden = index !== time.valueAsNumber;
    if (!picture.hidden) document.getElementById('step').textContent = `step ${picture.dataset.step}`;
  });
}
if (time) {
  time.addEventListener('input', showTime);
  showTime();
}
