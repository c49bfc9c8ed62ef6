// Show the examples that hold the words and are of the kind that is chosen.
const words = document.querySelector("#words");
const kind = document.querySelector("#kind");
const told = document.querySelector("#told");
const articles = [...document.querySelectorAll("#examples article")];
const texts = articles.map((article) => article.textContent.toLowerCase());

function show() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  articles.forEach((article, at) => {
    const fits = (!kind.value || article.dataset.kind === kind.value)
      && wanted.every((word) => texts[at].includes(word));
    article.hidden = !fits;
    count += fits;
  });
  told.textContent = `${count} of ${articles.length}`;
}

words.addEventListener("input", show);
kind.addEventListener("change", show);
document.querySelector(".controls").hidden = false;
show();
