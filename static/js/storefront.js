// Events of the demo shop's forms: data-basket and data-unbasket hold a product's id, data-purchase
// holds the purchased lines as JSON. A select with data-submits sends its form on change.
document.addEventListener("submit", ({ target: { dataset } }) => {
  if (!window.vitrine) return;
  if (dataset.basket) vitrine.basket(dataset.basket);
  if (dataset.unbasket) vitrine.unbasket(dataset.unbasket);
  if (dataset.purchase) vitrine.purchase(JSON.parse(dataset.purchase));
});
document.addEventListener("change", ({ target }) => {
  if ("submits" in target.dataset) target.form.submit();
});
