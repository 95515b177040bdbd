"""Invented names of people, streets, towns and institutions. None is taken from a register; all sound made up."""

from __future__ import annotations

FEMALE = (
    "Aldira", "Brisela", "Calvenna", "Dorimay", "Elswyth", "Fennelia", "Gwenora", "Hestrid", "Imolka", "Jessamira",
    "Kaelwyn", "Lysandre", "Mirabeth", "Nolwenda", "Orsolinda", "Petunella", "Quilla", "Rosmerta", "Sunniva-Mae",
    "Tamsilee", "Ulrikka", "Verbenia", "Wynnifer", "Xanthele", "Ysolde-Ann", "Zephirina", "Zo\u00eblla", "Marg\u00edt",
)  # fmt: skip

MALE = (
    "Aldous-Ray", "Bramwick", "Corvinian", "Dunstable", "Everhart", "Fitzwarin", "Galdric", "Hobart-Lee", "Ignaz",
    "Jorvick", "Kestrelmo", "Lambertus", "Mordaunt", "Nikolo", "Osgoode", "Peverell", "Quentrell", "Rufford",
    "Silvanus", "Thorvin", "Ulfred", "Valdemaro", "Wendellin", "Xaverian", "Yorrick", "Zebedine", "Bj\u00f6rnulf",
    "Andr\u00e9as",
)  # fmt: skip

FAMILY = (
    "Ashgrove-Test", "Bellwhistle", "Cogsworthy", "Dapplemere", "Elderquill", "Fictford", "Glimmerden", "Hollowby",
    "Inkwellish", "Juniperhay", "Kettleworth", "Lanternby", "Mockingham", "Nettlecombe-Hale", "Oatenshaw",
    "Pretendergast", "Quagmoor", "Rumbleton", "Sampleton", "Thistledown", "Umberlake", "Vellumson", "Wobblegate",
    "Xylander", "Yarrowick", "Zinnibar", "O'Madeup", "M\u00fcllerkin", "de la Nada", "\u00d8rkenby", "Se\u00f1almar",
    "Brackenfold", "Candlewick-Roe", "Driftmarsh", "Emberlyn", "Foxtrotter", "Gallivant", "Harrowmint",
)  # fmt: skip

STREETS = (
    "Imaginary Way", "Placebo Lane", "Sample Street", "Fictional Avenue", "Test Track Road", "Marzipan Court",
    "Cloudberry Close", "Lorem Boulevard", "Ipsum Terrace", "Nowhere Drive", "Dummy Data Drive", "Mock Orange Trail",
)  # fmt: skip

TOWNS = (
    ("Fictford", "Massachusetts", "MA", "010"),
    ("Sampleton", "Ohio", "OH", "434"),
    ("Mockingdale", "Oregon", "OR", "971"),
    ("North Pretend", "Kansas", "KS", "668"),
    ("Dummysville", "Texas", "TX", "759"),
    ("Port Placebo", "Washington", "WA", "983"),
    ("Lake Lorem", "Minnesota", "MN", "564"),
    ("Ipsum Falls", "Georgia", "GA", "317"),
)
"""Town, state, its abbreviation, and the first three digits of a ZIP code."""

HOSPITALS = (
    ("SAMPLETON GENERAL HOSPITAL", "2.16.840.1.113883.19.5.1001"),
    ("FICTFORD MEMORIAL HOSPITAL", "2.16.840.1.113883.19.5.1002"),
    ("PORT PLACEBO MEDICAL CENTER", "2.16.840.1.113883.19.5.1003"),
    ("LAKE LOREM CLINIC LLC", "2.16.840.1.113883.19.5.1004"),
    ("IPSUM FALLS FAMILY PRACTICE", "2.16.840.1.113883.19.5.1005"),
)
"""Name and assigning authority; the arc 2.16.840.1.113883.19 is HL7's own for examples."""

PAYERS = ("Imaginary Mutual", "Placebo Health Plan", "Lorem Care HMO", "State of Fiction Medicaid", "No Insurance")
