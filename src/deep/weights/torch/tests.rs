//! State dicts written byte by byte, so that each thing that may be wrong with one can be.

use super::*;

/// A tensor as a file describes it.
#[derive(Clone)]
struct Described {
    name: &'static str,
    dtype: &'static str,
    key: &'static str,
    count: i32,
    offset: i32,
    shape: Vec<i32>,
    stride: Vec<i32>,
}

fn w() -> Described {
    Described { name: "w", dtype: "Float", key: "0", count: 6, offset: 0, shape: vec![2, 3], stride: vec![3, 1] }
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn int(number: i32) -> Vec<u8> {
    [b"J", &number.to_le_bytes()[..]].concat()
}

fn tuple(items: &[i32]) -> Vec<u8> {
    let items: Vec<u8> = items.iter().flat_map(|&item| int(item)).collect();
    [b"(", &items[..], b"t"].concat()
}

/// What a file says of a tensor, as the instructions of a pickle.
fn described(tensor: &Described) -> Vec<u8> {
    let storage = format!("ctorch\n{}Storage\n", tensor.dtype);
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        storage.into_bytes(),
        text(tensor.key),
        text("cpu"),
        int(tensor.count),
        b"tQ".to_vec(),
        int(tensor.offset),
        tuple(&tensor.shape),
        tuple(&tensor.stride),
        b"\x89NtR".to_vec(),
    ]
    .concat()
}

fn pickle(instructions: &[u8]) -> Vec<u8> {
    [b"\x80\x02", instructions, b"."].concat()
}

/// A dictionary with these keys and values, each a list of instructions.
fn dict(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<u8> = pairs.iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
    [b"}(", &pairs[..], b"u"].concat()
}

/// A file of before 1.6: the description, then the numbers of each storage.
fn legacy(root: &[u8], storages: &[(&str, u64, &[f32])]) -> Vec<u8> {
    let magic = [&b"\x8a\x0a"[..], &MAGIC.to_le_bytes()[..10]].concat();
    let keys: Vec<u8> = storages.iter().flat_map(|(key, ..)| text(key)).collect();
    let mut file = [
        pickle(&magic),
        pickle(&int(1001)),
        pickle(&dict(&[("little_endian", b"\x88".to_vec())])),
        pickle(root),
        pickle(&[b"](", &keys[..], b"e"].concat()),
    ]
    .concat();
    for (_, count, numbers) in storages {
        file.extend(count.to_le_bytes());
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    }
    file
}

const NUMBERS: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

/// A file with one tensor.
fn file(tensor: &Described) -> Vec<u8> {
    legacy(&dict(&[(tensor.name, described(tensor))]), &[(tensor.key, 6, &NUMBERS)])
}

fn read(file: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let state = StateDict::open(file).map_err(|e| e.to_string())?;
    let tensor = |name: String| Ok((name.clone(), state.tensor(&name).map_err(|e| e.to_string())?.unwrap()));
    state.shapes().into_keys().map(tensor).collect()
}

fn refused(file: &[u8], part: &str) {
    let error = read(file).unwrap_err();
    assert!(error.contains(part), "`{part}` expected in: {error}");
}

#[test]
fn a_tensor_is_any_view_of_its_storage() {
    for (offset, shape, stride, expected) in [
        (0, vec![2, 3], vec![3, 1], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        (0, vec![3, 2], vec![1, 3], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        (1, vec![2, 1, 2], vec![3, 7, 1], vec![1.0, 2.0, 4.0, 5.0]),
        (5, vec![], vec![], vec![5.0]),
        (6, vec![0, 3], vec![3, 1], vec![]),
    ] {
        let tensor = Described { offset, shape: shape.clone(), stride, ..w() };
        let shape: Vec<usize> = shape.iter().map(|&side| side as usize).collect();
        assert_eq!(read(&file(&tensor)), Ok(vec![("w".into(), Tensor::new(&shape, expected))]));
    }
}

#[test]
fn a_tensor_outside_of_its_storage_is_refused() {
    let too_small = "tensor `w`: its storage of 6 numbers is too small for shape";
    for (offset, shape, stride, part) in [
        (1, vec![2, 3], vec![3, 1], too_small),
        (0, vec![2, 3], vec![4, 1], too_small),
        (0, vec![1 << 30, 1 << 30, 1 << 30], vec![0, 0, 0], too_small),
        (0, vec![i32::MAX, 1], vec![0, 0], too_small),
        (0, vec![2, 3], vec![3], too_small),
        (6, vec![], vec![], too_small),
        (-1, vec![2], vec![1], "from 0 on is expected"),
        (5, vec![2], vec![-1], "from 0 on is expected"),
    ] {
        refused(&file(&Described { offset, shape, stride, ..w() }), part);
    }
    refused(&file(&Described { count: 7, ..w() }), "two sizes are stated for its storage `0`");
    refused(&file(&Described { dtype: "Double", ..w() }), "the numbers of its storage `0` are not all there");
    let without = legacy(&dict(&[("w", described(&w()))]), &[]);
    refused(&without, "tensor `w`: its numbers are not in the file");
    let half = Described { dtype: "Half", ..w() };
    let both = dict(&[("w", described(&w())), ("h", described(&half))]);
    refused(
        &legacy(&both, &[("0", 6, &NUMBERS)]),
        "tensor `h`: storage `0` should hold 6 numbers (Half) and has 24 bytes",
    );
}

#[test]
fn what_is_wrapped_is_found() {
    let w = |name: &str| [(name.to_owned(), Tensor::new(&[2, 3], NUMBERS.to_vec()))];
    let numbers: [(&str, u64, &[f32]); 1] = [("0", 6, &NUMBERS)];
    let inner = dict(&[("module.w", described(&self::w()))]);
    // with what trainers put beside: the objects of their own are not looked at
    let options = b"cargparse\nNamespace\n)\x81}(X\x02\x00\x00\x00lrK\x01ub".to_vec();
    let hook = b"cnumpy.core.multiarray\nscalar\nC\x02ab\x85R".to_vec();
    let nested = dict(&[("epoch", int(3)), ("args", options), ("best", hook), ("state_dict", inner.clone())]);
    // as Python 2 wrote an ordered dictionary, with attributes, and a parameter in it
    let parameter = [b"ctorch._utils\n_rebuild_parameter\n(", &described(&self::w())[..], b"\x88NtR"].concat();
    let pair = [b"](U\x01w", &parameter[..], b"e"].concat();
    let old = [b"ccollections\nOrderedDict\n](", &pair[..], b"e\x85R}b"].concat();
    for (root, name) in [(inner, "module.w"), (nested, "state_dict.module.w"), (old, "w")] {
        assert_eq!(read(&legacy(&root, &numbers)).unwrap(), w(name));
    }
    // one that holds itself ends
    let ring = [&dict(&[("w", described(&self::w()))])[..], b"q\x00X\x04\x00\x00\x00selfh\x00s"].concat();
    assert_eq!(read(&legacy(&ring, &numbers)).unwrap(), w("w"));
}

#[test]
fn what_is_no_state_dict_is_refused_by_name() {
    for (root, part) in [
        (&b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R"[..], "the Python object `os.system`"),
        (b"U\x02osU\x06system\x93", "the Python object `os.system`"),
        (b"ctorchvision.models.resnet\nResNet\n)\x81", "`torchvision.models.resnet.ResNet`"),
        (b"ctorchvision.models.resnet\nResNet\n)\x81", "torch.save(model.state_dict(), \"NAME.pth\")"),
        (b"ctorch\nComplexFloatStorage\n", "`torch.ComplexFloatStorage`"),
        (b"(ios\nsystem\n", "the instruction 0x69 at byte 3"),
        (b"]", "it holds no dictionary with tensors"),
        (b"}U\x05epochK\x03s", "it holds no dictionary with tensors by name"),
        (b"}e", "a mark is expected"),
        (b"K\x01K\x02b", "a dictionary is expected"),
        (b"ccollections\nOrderedDict\nK\x01R", "a tuple of arguments is expected"),
        (b"ctorch\nFloatStorage\n)R", "a tensor, a parameter or a dictionary is expected"),
        (b"h\x07", "a value that was noted down before is expected"),
        (b"U\x02\xff\xff", "text in UTF-8 is expected"),
    ] {
        refused(&pickle(root), part);
    }
    let deep = [vec![b']'; 1_000_000], vec![b'a'; 999_999]].concat();
    refused(&pickle(&deep), "nested too deeply");
    refused(&pickle(&b"N0".repeat(3 << 20)), "longer than 4194304 bytes");
    refused(&pickle(&b"("[..].repeat(5000)), "nested too deeply");
}

#[test]
fn every_cut_and_every_changed_byte_ends_in_an_error_or_in_tensors() {
    let whole = file(&w());
    for end in 0..whole.len() {
        read(&whole[..end]).unwrap_err();
    }
    for at in 0..whole.len() {
        for byte in [0, 1, 0x28, 0x52, 0x7f, 0x80, 0xff] {
            let mut changed = whole.clone();
            changed[at] = byte;
            let _ = read(&changed);
        }
    }
}
