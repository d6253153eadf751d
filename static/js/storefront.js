// What the demo shop's forms tell the tracker: data-basket and data-unbasket name a product, data-purchase is JSON of the lines that are bought.
// A select with data-submits sends its form when another entry is chosen.
document.addEventListener("submit", ({ target: { dataset } }) => {
  if (!window.vitrine) return;
  if (dataset.basket) vitrine.basket(dataset.basket);
  if (dataset.unbasket) vitrine.unbasket(dataset.unbasket);
  if (dataset.purchase) vitrine.purchase(JSON.parse(dataset.purchase));
});
document.addEventListener("change", ({ target }) => { if ("submits" in target.dataset) target.form.submit(); });
