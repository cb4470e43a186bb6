"""Texts and labels as people bring them, for tests of readers: `written` in any dialect."""

import csv
import io

import pandas as pd

PARTS = ("camera work", "story", "music", "hero", "cast", "pace", "script", "ending", "plot")
TONES = {"positive": ("lovely", "great", "moving"), "negative": ("dull", "weak", "awful")}
SENTENCES = {  # text and label, by language
    "ru": "Фильм прекрасный, финал мне понравился|хорошо;Актёр ужасный и очень скучный|плохо",
    "uk": "Фільм чудовий і їжа теж смачна|добре;Сценарій жахливий, нудний для глядачів|погано",
    "zh": "这部电影的故事非常精彩，音乐也很好|好评;演员的表演很糟糕，情节拖沓无聊|差评",
    "zh-tw": "這部電影的故事非常精彩，音樂也很好|好評;演員的表演很糟糕，情節拖沓無聊|差評",
    "ja": "この映画の物語はとても素晴らしいです|良い;俳優の演技がひどくて退屈でした|悪い",
    "ko": "이 영화의 이야기는 정말 훌륭합니다|긍정;배우의 연기가 형편없고 지루하다|부정",
    "el": "Η ταινία ήταν υπέροχη και συγκινητική|καλή;Το σενάριο ήταν απαίσιο, χωρίς ρυθμό|κακή",
    "he": "הסרט היה נפלא ומרגש מאוד לכולם|טוב;התסריט היה נורא והשחקנים גרועים|רע",
    "fr": "L'été, où le garçon naïf a gâché Noël|très bon;Une idée gâchée à cœur perdu, hélas|déçu",
    "de": "Schöne Musik, übergroße Gefühle|gut;Müde Schauspieler, ein Ärgernis für Zuhörer|übel",
    "pl": "Film był świetny i wciągający, źródło łez|dobry;Żałosny, długi i męczący|zły",
    "en": "It’s a “great” film – really, I don’t mind|good;The café’s scenes aren’t “it”|bad",
}


def films(count: int = 24) -> list[tuple[str, str]]:
    """So many different sentences with their labels."""
    labels = tuple(TONES)
    return [
        (
            f"The {PARTS[i % 9]} and the {PARTS[(i * 5 + 2) % 9]} of film {i} were "
            f"{TONES[labels[i % 2]][i % 3]}.",
            labels[i % 2],
        )
        for i in range(count)
    ]


def spoken(language: str, count: int = 24) -> list[tuple[str, str]]:
    """So many rows in a language, with numbers to tell them apart."""
    pairs = [pair.split("|") for pair in SENTENCES[language].split(";")]
    return [(f"{i} {pairs[i % 2][0]}", pairs[i % 2][1]) for i in range(count)]


def written(rows, names=("text", "label"), *, by_pandas: bool = False, **dialect) -> str:
    """The rows as the csv module or pandas writes them."""
    out = io.StringIO(newline="")
    if by_pandas:
        dialect["sep"] = dialect.pop("delimiter", ",")
        pd.DataFrame(rows, columns=list(names or range(len(rows[0])))).to_csv(
            out, index=False, header=names is not None, lineterminator="\r\n", **dialect
        )
        return out.getvalue()
    writer = csv.writer(out, **dialect)
    writer.writerows([names, *rows] if names else rows)
    return out.getvalue()
