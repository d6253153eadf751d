// The schedule's form: says in words when the chosen crontab runs.
const words = JSON.parse(document.getElementById("readable-crontabs").textContent);
const help = document.getElementById("crontab-words").dataset.help;
document.querySelectorAll(".field-crontab_translation").forEach((field) => {
  field.hidden = true;
});
document.querySelector(".field-crontab")?.addEventListener("change", () => {
  const place = document.querySelector(".field-crontab .help");
  if (place)
    place.textContent = `${help} ${words[document.getElementById("id_crontab").value] || ""}`;
});
