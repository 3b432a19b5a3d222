-- The catalogue. Safe to run again: rows are brought to what stands here, except what operators switch (is_active, prices).
-- Prices in piastres are examples: set your own before you sell.

insert into public.plans (
    id, name, monthly_credits, daily_credits, max_in_flight, is_paid, price_usd, price_piastres, sort_order
) values
    (1, 'Free', 10, 5, 2, false, null, null, 1),
    (3, 'Pro', 100, 50, 10, true, 10.00, 50000, 2),
    (4, 'Enterprise', 5000, 5000, 50, true, null, null, 3)
on conflict (id) do update set
    name = excluded.name, monthly_credits = excluded.monthly_credits, daily_credits = excluded.daily_credits,
    max_in_flight = excluded.max_in_flight, is_paid = excluded.is_paid, sort_order = excluded.sort_order;

insert into public.credit_packs (id, name, credits, price_piastres, sort_order) values
    (1, 'Small', 50, 29900, 1),
    (2, 'Medium', 150, 79900, 2),
    (3, 'Large', 500, 239900, 3)
on conflict (id) do update set name = excluded.name, sort_order = excluded.sort_order;

insert into public.tools (id, type, name_key, description_key, icon_name, sort_order) values
    ('hairstyle', 'TRANSFORMATION', 'tool.hairstyle.name', 'tool.hairstyle.description', 'scissors', 1),
    ('hair-color', 'TRANSFORMATION', 'tool.hair-color.name', 'tool.hair-color.description', 'palette', 2),
    ('eye-color', 'TRANSFORMATION', 'tool.eye-color.name', 'tool.eye-color.description', 'eye', 3),
    ('skin-color', 'TRANSFORMATION', 'tool.skin-color.name', 'tool.skin-color.description', 'sun', 4),
    ('beard', 'TRANSFORMATION', 'tool.beard.name', 'tool.beard.description', 'beard', 5),
    ('age', 'FILTER', 'tool.age.name', 'tool.age.description', 'hourglass', 6),
    ('smile', 'FILTER', 'tool.smile.name', 'tool.smile.description', 'smile', 7),
    ('fat', 'FILTER', 'tool.fat.name', 'tool.fat.description', 'scale', 8),
    ('bald', 'FILTER', 'tool.bald.name', 'tool.bald.description', 'bald', 9),
    ('halloween', 'FILTER', 'tool.halloween.name', 'tool.halloween.description', 'pumpkin', 10),
    ('analysis', 'ANALYSIS', 'tool.analysis.name', 'tool.analysis.description', 'scan-face', 11)
on conflict (id) do update set
    type = excluded.type, name_key = excluded.name_key, description_key = excluded.description_key,
    icon_name = excluded.icon_name, sort_order = excluded.sort_order;

insert into public.colors (kind, hex, name, sort_order) values
    ('hair', '000000', null, 1),
    ('hair', '4e342e', null, 2),
    ('hair', '6d4c41', null, 3),
    ('hair', 'd7ccc8', null, 4),
    ('hair', 'ffeb3b', null, 5),
    ('hair', 'f44336', null, 6),
    ('hair', 'e91e63', null, 7),
    ('hair', '9c27b0', null, 8),
    ('hair', '3f51b5', null, 9),
    ('hair', '03a9f4', null, 10),
    ('hair', '4caf50', null, 11),
    ('hair', 'bcaaa4', null, 12),
    ('skin', 'fdf4e3', 'Ivory', 1),
    ('skin', 'f0d6b5', 'Beige', 2),
    ('skin', 'e4b88a', 'Sand', 3),
    ('skin', 'd1a368', 'Tan', 4),
    ('skin', 'b88846', 'Bronze', 5),
    ('skin', 'a06a39', 'Sienna', 6),
    ('skin', '8c5a2d', 'Umber', 7),
    ('skin', '6b4423', 'Espresso', 8),
    ('skin', '543419', 'Chocolate', 9),
    ('skin', '3e2510', 'Ebony', 10)
on conflict (kind, hex) do update set name = excluded.name, sort_order = excluded.sort_order;

insert into public.hairstyles (id, name, gender, is_pro, category, sort_order) values
    ('female-short-1', 'Chic Bob', 'female', false, 'Short', 1),
    ('female-short-2', 'Pixie Cut', 'female', false, 'Short', 2),
    ('female-short-3', 'Layered Bob', 'female', true, 'Short', 3),
    ('female-short-4', 'French Bob', 'female', true, 'Short', 4),
    ('female-short-5', 'Bixie', 'female', false, 'Short', 5),
    ('female-short-6', 'Asymmetrical Bob', 'female', true, 'Short', 6),
    ('female-short-7', 'Razor Bob', 'female', false, 'Short', 7),
    ('female-short-8', 'Micro Bob', 'female', true, 'Short', 8),
    ('female-short-9', 'Shaggy Pixie', 'female', false, 'Short', 9),
    ('female-short-10', 'Undercut Pixie', 'female', true, 'Short', 10),
    ('female-short-11', 'Wedge Cut', 'female', false, 'Short', 11),
    ('female-short-12', 'Pageboy Revival', 'female', true, 'Short', 12),
    ('female-medium-1', 'Shoulder Waves', 'female', false, 'Medium', 13),
    ('female-medium-2', 'Blunt Cut', 'female', true, 'Medium', 14),
    ('female-medium-3', 'Lob (Long Bob)', 'female', false, 'Medium', 15),
    ('female-medium-4', 'Curtain Bangs with Layers', 'female', true, 'Medium', 16),
    ('female-medium-5', 'Wolf Cut Medium', 'female', true, 'Medium', 17),
    ('female-long-1', 'Wavy Layers', 'female', false, 'Long', 18),
    ('female-long-2', 'Sleek Straight', 'female', false, 'Long', 19),
    ('female-long-3', 'Voluminous Curls', 'female', true, 'Long', 20),
    ('female-long-4', 'Butterfly Cut', 'female', true, 'Long', 21),
    ('female-long-5', 'Beachy Boho Waves', 'female', false, 'Long', 22),
    ('female-curly-1', 'Tight Curls', 'female', false, 'Curly', 23),
    ('female-curly-2', 'Afro', 'female', true, 'Curly', 24),
    ('female-curly-3', 'Curly Shag', 'female', true, 'Curly', 25),
    ('female-curly-4', 'Curly Bangs', 'female', true, 'Curly', 26),
    ('female-styled-1', 'Elegant Updo', 'female', true, 'Styled', 27),
    ('female-styled-2', 'Braided Crown', 'female', true, 'Styled', 28),
    ('female-styled-3', 'Hollywood Waves', 'female', true, 'Styled', 29),
    ('female-styled-4', 'Sleek Low Bun', 'female', true, 'Styled', 30),
    ('female-styled-5', 'Waterfall Braid', 'female', true, 'Styled', 31),
    ('female-protective-1', 'Box Braids', 'female', true, 'Protective', 32),
    ('female-protective-3', 'Passion Twists', 'female', true, 'Protective', 33),
    ('male-short-1', 'Crew Cut', 'male', false, 'Short', 34),
    ('male-short-2', 'Textured Crop', 'male', true, 'Short', 35),
    ('male-short-3', 'Buzz Cut', 'male', false, 'Short', 36),
    ('male-short-4', 'Caesar Cut', 'male', true, 'Short', 37),
    ('male-short-5', 'Ivy League', 'male', false, 'Short', 38),
    ('male-medium-1', 'Side Part', 'male', false, 'Medium', 39),
    ('male-medium-2', 'Slick Back', 'male', true, 'Medium', 40),
    ('male-medium-3', 'Quiff', 'male', true, 'Medium', 41),
    ('male-medium-4', 'Messy Fringe', 'male', false, 'Medium', 42),
    ('male-medium-5', 'Korean Two Block', 'male', true, 'Medium', 43),
    ('male-medium-6', 'Curly Fringe', 'male', false, 'Medium', 44),
    ('male-long-1', 'Man Bun', 'male', false, 'Long', 45),
    ('male-long-2', 'Long Waves', 'male', true, 'Long', 46),
    ('male-long-3', 'Viking Length', 'male', true, 'Long', 47),
    ('male-styled-1', 'Pompadour', 'male', true, 'Styled', 48),
    ('male-styled-2', 'Modern Mullet', 'male', true, 'Styled', 49),
    ('male-styled-3', 'Undercut Quiff', 'male', true, 'Styled', 50),
    ('male-styled-4', 'Slick Side Part', 'male', false, 'Styled', 51),
    ('male-fade-1', 'Low Taper Fade', 'male', false, 'Fade', 52),
    ('male-fade-2', 'High Fade with Crop', 'male', true, 'Fade', 53),
    ('male-fade-3', 'Drop Fade', 'male', false, 'Fade', 54)
on conflict (id) do update set
    name = excluded.name, gender = excluded.gender, is_pro = excluded.is_pro, category = excluded.category,
    sort_order = excluded.sort_order;
