"""What columns are usually called: names in English, German, French and Spanish, by the role that they play."""

from __future__ import annotations

import re

_JOINTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# The usual names of each role, the most telling first. A name is compared in lower case with single underscores.
NAMES: dict[str, str] = {
    "customer_id": "customer_id customer_unique_id customerid customer_no customer_number customer_key user_id userid "
    "member_id client_id client household_id buyer_id shopper_id account_id person_id visitor_id_known kunde kunden_nr "
    "kundennummer cliente cliente_id id_cliente id_client numero_client customer user id_customer",
    "loyalty_id": "loyalty_id loyalty_card loyalty_number card_number card_no card_id card bonus_card kundenkarte "
    "carte_fidelite tarjeta membership_number",
    "email": "email e_mail mail email_address customer_email billing_email contact_email correo courriel",
    "phone": "phone phone_number mobile telephone tel billing_phone telefon telefono portable",
    "device_id": "device_id deviceid advertising_id idfa gaid device",
    "anonymous_id": "anonymous_id anonymousid visitor_id visitorid cookie_id cookie client_uuid user_pseudo_id "
    "session_id sessionid session visitor fullvisitorid",
    "order_id": "order_id orderid order_no order_number order_name order invoice_id invoice_no invoice_number invoice "
    "transaction_id transactionid basket_id basket receipt_id receipt_no receipt receipt_number ticket_id bon_nr "
    "bestellnummer bestellung auftrag rechnung commande numero_commande pedido pedido_id",
    "line_id": "line_id order_line_id order_item_id line_item_id row_id",
    "event_id": "event_id message_id messageid hit_id",
    "product_id": "product_id productid product_code item_id itemid item_code sku stock_code stockcode article_id "
    "article_no artikelnummer artikel_nr artikel variant_id ean gtin upc produit_id producto_id product item",
    "quantity": "quantity qty pieces units number_of_items item_count menge anzahl stueck quantite cantidad count",
    "amount": "amount line_total total_price line_amount sales_value sales total_amount net_amount gross_amount "
    "revenue total order_total spend value dollar_value grand_total payment_value betrag summe umsatz montant importe "
    "turnover paid",
    "price": "unit_price unitprice price item_price price_per_unit sale_price preis einzelpreis stueckpreis prix "
    "prix_unitaire precio",
    "discount": "discount discount_amount line_discount rebate saved rabatt remise descuento",
    "currency": "currency currency_code order_currency waehrung devise moneda",
    "occurred_at": "occurred_at paid_at order_purchase_timestamp purchase_timestamp purchased_at purchase_date "
    "order_date ordered_at order_time invoice_date transaction_timestamp transaction_date transaction_time event_time "
    "event_timestamp timestamp sent_at created_at created date_time datetime time date first_contact_date bestelldatum "
    "rechnungsdatum datum zeitpunkt date_commande fecha ts at when day",
    "event": "event event_name event_type action activity type ereignis evenement evento",
    "channel": "channel sales_channel origin medium source kanal canal",
    "place": "store_id store store_name shop_id branch location till filiale magasin tienda",
    "name": "product_name item_name name title description product_description bezeichnung libelle nombre",
    "brand": "brand manufacturer vendor marke marque marca",
    "department": "department product_department division sparte",
    "category": "category product_category product_category_name category_name product_type kategorie categorie "
    "categoria",
    "subcategory": "subcategory sub_category subcategory_name",
    "campaign_id": "campaign_id campaign campaign_name kampagne campagne",
    "purpose": "purpose consent_purpose zweck",
    "choice": "choice consent consent_status decision",
}

_WORDS = {role: names.split() for role, names in NAMES.items()}

# What systems call the kinds of events, compared like names of columns.
_KINDS = {
    "Product Viewed": "view product_viewed product_view view_item detail_view item_view view_product product_detail",
    "Product Added": "add_to_cart addtocart cart add product_added cart_add basket_add",
    "Product Removed": "remove_from_cart removefromcart remove product_removed cart_remove",
    "Order Completed": "purchase buy transaction order order_completed conversion sale",
    "Order Refunded": "refund order_refunded return",
    "Products Searched": "search products_searched search_query",
    "Page Viewed": "page_view pageview page page_viewed visit",
    "Product Clicked": "click product_clicked select_item product_click",
    "Checkout Started": "begin_checkout checkout checkout_started",
    "Product List Viewed": "view_item_list product_list_viewed category_view list_view",
    "Email Delivered": "delivered email_delivered sent email_sent",
    "Email Opened": "open opened email_opened email_open",
    "Email Link Clicked": "clicked email_clicked email_link_clicked link_clicked",
    "Unsubscribed": "unsubscribe unsubscribed email_unsubscribed opt_out",
}
_EVENTS = {word: kind for kind, words in _KINDS.items() for word in words.split()}


def plain(name: str) -> str:
    """Return a name in lower case with single underscores between its words.

    >>> plain("CustomerID"), plain("Order Total (EUR)"), plain("StockCode")
    ('customer_id', 'order_total_eur', 'stock_code')
    """
    return re.sub(r"[^a-z0-9]+", "_", _JOINTS.sub("_", name.strip()).lower()).strip("_")


def fit(role: str, name: str) -> float:
    """Return how well a column's name says a role, in [0, 1].

    >>> fit("order_id", "InvoiceNo") > fit("order_id", "my_invoice_no") > fit("order_id", "comment") == 0
    True
    """
    last = plain(name.rpartition(".")[2])
    words = _WORDS[role]
    for candidate, weight in ((last, 1.0), (last.removesuffix("_id"), 0.6)):
        if candidate in words:
            return weight * (1.0 - 0.4 * words.index(candidate) / len(words))
    padded = f"_{last}_"
    inside = [word for word in words if len(word) > 3 and f"_{word}_" in padded]
    return 0.3 if inside else 0.0


def kind_of(word: str) -> str | None:
    """Return the kind of event that a word usually means.

    >>> kind_of("addToCart"), kind_of("view"), kind_of("heartbeat")
    ('Product Added', 'Product Viewed', None)
    """
    return _EVENTS.get(plain(word)) or _EVENTS.get(plain(word).replace("_", ""))
