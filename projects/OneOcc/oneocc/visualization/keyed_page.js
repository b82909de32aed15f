/* Keys of the live viewer: each presses the control with a name, as a finger would. */
(() => {
  const named = text => [...document.querySelectorAll('label')].find(label => label.textContent.trim() === text);
  const check = text => {
    const label = named(text);
    const box = label && (document.getElementById(label.htmlFor) || label.parentElement.parentElement.querySelector('input'));
    if (box) box.click();
  };
  const press = text => {
    const button = [...document.querySelectorAll('button')].find(item => item.textContent.trim() === text);
    if (button) button.click();
  };
  const layers = ['prediction', 'ground truth', 'error', 'probability', 'unknown'];
  const choose = index => {
    const field = [...document.querySelectorAll('input')].find(input => layers.includes(input.value));
    if (!field) return;
    field.click();
    const pick = tries => {  // the list opens when the page has time for it
      const option = [...document.querySelectorAll('[role=option]')].find(o => o.textContent.trim() === layers[index]);
      if (!option && tries) return setTimeout(pick, 60, tries - 1);
      if (option) option.click();
      field.blur();
    };
    setTimeout(pick, 60, 100);
  };
  const keys = {'.': () => press('next'), ',': () => press('back'), ' ': () => check('play'), k: () => check('only what is known'),
    l: () => check('LiDAR points'), c: () => check('camera'), d: () => check('dark')};
  for (let n = 0; n < 5; n++) keys[n + 1] = () => choose(n);
  window.addEventListener('keydown', event => {
    const typing = event.target.tagName === 'INPUT' && event.target.type !== 'checkbox';
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }, true);
})();
