"""A few products with everything that search has to find: codes, sizes, brands, Chinese."""

from training.search.documents import SearchDocument

DOCUMENTS = [
    SearchDocument(1, "Red leather jacket", "Alto", ["Clothing > Jackets"], codes=["AB-123/45"]),
    SearchDocument(2, "Blue denim jacket", "Alto", ["Clothing > Jackets"], codes=["AB-123/46"]),
    SearchDocument(3, "iPhone 15 128GB black", "Apple", ["Phones"], codes=["4006381333931"]),
    SearchDocument(4, "iPhone 15 256 GB black", "Apple", ["Phones"], codes=["SKU-3004"]),
    SearchDocument(5, "Audio cable 3.5mm", description="For the iPhone and others."),
    SearchDocument(6, "External hard disk 500 GB", "Seagate", codes=["ST500-LM"]),
    SearchDocument(7, "Refrigerator with freezer", codes=["RF-9"]),
    SearchDocument(8, "苹果手机壳 防摔", "华为", codes=["HW-1"]),
    SearchDocument(9, "MacBook cover", "Apple", attributes=["silver", "13 inch"]),
    SearchDocument(10, "Sofa bed", codes=["10010"]),
]
